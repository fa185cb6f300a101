/** Which question is answered by what. All replicas of certstore answer from one queue group. */
import type { Subscription } from '@postern/bus';
import {
  type Answerer,
  checkCertificates,
  createCertificate,
  createPassword,
  deleteCertificate,
  deletePassword,
  generateCertificate,
  getCertificate,
  getClientMaterial,
  getIntakeKey,
  getKeyRotation,
  getNodeMaterial,
  listCertificates,
  startKeyRotation,
  updateCertificate,
  done,
} from '@postern/contracts';
import { sealText } from '@postern/tls';
import type { Certificates } from './certificates.ts';
import type { IntakeKey } from './material/intake-key.ts';
import type { PairGenerator } from './authority/pair-generator.ts';
import type { Materials } from './material/materials.ts';
import type { Passwords } from './material/passwords.ts';
import type { Rotation } from './secret/rotation.ts';

/** What answers. */
export interface Answerers {
  certificates: Certificates;
  materials: Materials;
  passwords: Passwords;
  intake: IntakeKey;
  pairs: PairGenerator;
  rotation: Rotation;
}

/** Answers what concerns operators' certificates, until the subscriptions are closed. */
export function answerQuestions(
  serve: Answerer,
  { certificates, materials, passwords, intake, pairs, rotation }: Answerers,
): Subscription[] {
  return [
    serve(getIntakeKey, async () => ({ key: intake.publicKey })),
    serve(createCertificate, ({ name, sealed }) => certificates.create(name, sealed)),
    serve(getCertificate, ({ id }) => certificates.get(id)),
    serve(listCertificates, (request) => certificates.list(request)),
    serve(updateCertificate, ({ id, patch, sealed, revision }) =>
      certificates.update(id, patch, sealed, revision),
    ),
    serve(deleteCertificate, ({ id, revision }) => done(certificates.delete(id, revision))),
    serve(generateCertificate, async ({ sealed, recipient }) => {
      const { certificate, download } = await pairs.generate(await intake.open(sealed));
      return { certificate, sealedDownload: await sealText(recipient, JSON.stringify(download)) };
    }),
    serve(createPassword, async ({ sealed }) => ({ id: await passwords.create(sealed) })),
    serve(deletePassword, ({ id }) => done(passwords.delete(id))),
    serve(getKeyRotation, async () => rotation.current()),
    serve(startKeyRotation, async () => rotation.start()),
    serve(checkCertificates, ({ uses, keyGateways }) => certificates.check(uses, keyGateways)),
    serve(getNodeMaterial, ({ ids, proof }) => materials.forNode(ids, proof)),
    serve(getClientMaterial, (question) => materials.forClient(question)),
  ];
}
