/** Which question is answered by what. All replicas of certstore answer from one queue group. */
import type { Bus, Subscription } from '@postern/bus';
import {
  type Answerer,
  answererOf,
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
} from '@postern/contracts';
import type { Logger } from '@postern/telemetry';
import { sealText } from '@postern/tls';
import type { Certificates } from './certificates.ts';
import type { IntakeKey } from './intake-key.ts';
import type { PairGenerator } from './pair-generator.ts';
import type { Materials } from './materials.ts';
import type { Passwords } from './passwords.ts';
import type { Rotation } from './rotation.ts';
import type { CertstoreMetrics } from './metrics.ts';

const queue = 'certstore';

/** What answers. */
export interface Answerers {
  certificates: Certificates;
  materials: Materials;
  passwords: Passwords;
  intake: IntakeKey;
  pairs: PairGenerator;
  rotation: Rotation;
}

/** What answering needs. */
export interface AnsweringParts {
  bus: Bus;
  logger: Logger;
  metrics: CertstoreMetrics;
}

/** Answers in the queue of the replicas; what fails is counted and logged. */
export function answererFor({ bus, logger, metrics }: AnsweringParts): Answerer {
  return answererOf({
    bus,
    queue,
    count: (subject, outcome) => metrics.answered(subject, outcome),
    onError: (error, subject) => logger.error({ error, subject }, 'a question failed'),
  });
}

/** Answers what concerns operators' certificates, until the subscriptions are closed. */
export function answerQuestions(
  parts: AnsweringParts,
  { certificates, materials, passwords, intake, pairs, rotation }: Answerers,
): Subscription[] {
  const serve = answererFor(parts);
  return [
    serve(getIntakeKey, async () => ({ key: intake.publicKey })),
    serve(createCertificate, ({ name, sealed }) => certificates.create(name, sealed)),
    serve(getCertificate, ({ id }) => certificates.get(id)),
    serve(listCertificates, (request) => certificates.list(request)),
    serve(updateCertificate, ({ id, patch, sealed, revision }) =>
      certificates.update(id, patch, sealed, revision),
    ),
    serve(deleteCertificate, async ({ id, revision }) => {
      await certificates.delete(id, revision);
      return {};
    }),
    serve(generateCertificate, async ({ sealed, recipient }) => {
      const { certificate, download } = await pairs.generate(await intake.open(sealed));
      return { certificate, sealedDownload: await sealText(recipient, JSON.stringify(download)) };
    }),
    serve(createPassword, async ({ sealed }) => ({ id: await passwords.create(sealed) })),
    serve(deletePassword, async ({ id }) => {
      await passwords.delete(id);
      return {};
    }),
    serve(getKeyRotation, async () => rotation.current()),
    serve(startKeyRotation, async () => rotation.start()),
    serve(checkCertificates, ({ uses, keyGateways }) => certificates.check(uses, keyGateways)),
    serve(getNodeMaterial, ({ ids, proof }) => materials.forNode(ids, proof)),
    serve(getClientMaterial, (question) => materials.forClient(question)),
  ];
}
