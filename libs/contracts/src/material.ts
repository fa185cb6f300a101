/**
 * How a certificate's contents reach whoever serves with them: a node, or a client behind a node. certstore seals each
 * to a key that only the recipient holds, and signs what it sealed; so nobody on the way, neither the bus nor the node
 * before a client, can read it or put another in its place. Who asks again with another's question learns nothing: the
 * answer is sealed to the same key.
 *
 *   node ──ids, its cluster certificate, proof──► certstore     sealed to the key in that certificate
 *   client ──ids, sealing key, its signature──► node ──► certstore     sealed to the client's sealing key
 *                       (CONTROL)                     (with the node's own certificate and proof)
 *
 * certstore gives only what a destination names, to the end that needs it there (`certificateUses`).
 */
import { createHash } from 'node:crypto';
import { Type, type Static } from 'typebox';
import { ClientPublicKey, SealingKey, keySignature } from './client-key.ts';
import type { CertificateRole } from './certificate.ts';
import { defineQuestion } from './question.ts';
import type { Route } from './route.ts';

const id = Type.String({ minLength: 1, maxLength: 64 });

/** Nodes ask under this ID for the secret of which they make the keys of TLS session tickets. */
export const sessionTicketsId = 'sessionTickets';

/** The most certificates in one question. */
export const materialsPerQuestionMax = 8;
/** The most certificates that a node names to a client as needed at once. */
export const certificateReferencesMax = 512;

/** A certificate in one version of its contents. */
export const CertificateReference = Type.Object({ id, revision: Type.Integer({ minimum: 1 }) });
export type CertificateReference = Static<typeof CertificateReference>;

/** The contents, as they are inside of the seal. `revision` is the certificate's `contentRevision`. */
export const Material = Type.Object({
  id,
  revision: Type.Integer({ minimum: 1 }),
  chainPem: Type.String({ description: 'the leaf first; of a CA bundle, all of it' }),
  keyPem: Type.Union([Type.String(), Type.Null()], {
    description: 'PKCS #8; null where certstore has none, or the recipient only verifies by it',
  }),
  fingerprint: Type.String(),
  notAfter: Type.String(),
  sessionTickets: Type.Optional(
    Type.String({ description: 'the secret of `sessionTicketsId`, base64; then there is no certificate' }),
  ),
  proxy: Type.Optional(
    Type.Object(
      { host: Type.String(), port: Type.Integer(), username: Type.String(), password: Type.String() },
      { description: 'a password, and whom it may be shown to; then there is no certificate' },
    ),
  ),
});
export type Material = Static<typeof Material>;

/** Contents on their way: `sealed` is a JWE (ECDH-ES, A256GCM) of `Material`, signed by certstore. */
export const SealedMaterial = Type.Object({
  id,
  revision: Type.Integer({ minimum: 1 }),
  sealed: Type.String({ minLength: 1, maxLength: 60 * 1024 }),
  signature: keySignature,
  signerPem: Type.String({
    maxLength: 8192,
    description:
      "certstore's certificate for this, and the CA that signed it: the cluster's for nodes, the platform's for clients",
  }),
});
export type SealedMaterial = Static<typeof SealedMaterial>;

/** Why contents are not given. */
export const MaterialRefusal = Type.Object({
  id,
  code: Type.String({ maxLength: 64 }),
  message: Type.String({ maxLength: 1024 }),
});
export type MaterialRefusal = Static<typeof MaterialRefusal>;

/** Who asks: the node's cluster certificate, and a signature by its key over `materialRequestText`. */
export const NodeProof = Type.Object({
  certificatePem: Type.String({ maxLength: 16_384 }),
  signature: keySignature,
});
export type NodeProof = Static<typeof NodeProof>;

const ids = Type.Array(id, { minItems: 1, maxItems: materialsPerQuestionMax, uniqueItems: true });

/** What was sealed, and what is not given. */
export const MaterialAnswer = Type.Object({
  items: Type.Array(SealedMaterial),
  refused: Type.Array(MaterialRefusal),
});
export type MaterialAnswer = Static<typeof MaterialAnswer>;

/** A node asks for itself. `CERTSTORE_PROOF_WRONG` (403) when it does not prove to be a node of this cluster. */
export const getNodeMaterial = defineQuestion(
  'certstore.material.node',
  Type.Object({ ids, proof: NodeProof }),
  MaterialAnswer,
);

/** A node passes on what a client asked. The client's ID is made of its key, so it cannot be another's. */
export const getClientMaterial = defineQuestion(
  'certstore.material.client',
  Type.Object({
    ids,
    gatewayId: id,
    clientId: id,
    publicKey: ClientPublicKey,
    sealingKey: SealingKey,
    sealingSignature: keySignature,
    proof: NodeProof,
  }),
  MaterialAnswer,
);

/** What a node signs with its cluster key when it asks. */
export function materialRequestText(ids: readonly string[], clientId: string | null): string {
  return `postern material request\n${clientId ?? ''}\n${ids.join('\n')}`;
}

/** What a client signs once with its identity key: that this sealing key is its own. */
export function sealingKeyText(clientId: string, { x }: SealingKey): string {
  return `postern sealing key\n${clientId}\n${x}`;
}

/** What certstore signs: these sealed contents for this recipient, who is named by the hash of the key sealed to. */
export function materialText(
  recipient: string,
  { id, revision, sealed }: CertificateReference & { sealed: string },
): string {
  const hash = createHash('sha256').update(sealed).digest('base64url');
  return `postern material\n${recipient}\n${id}\n${revision}\n${hash}`;
}

/** The name in the certificate that certstore signs contents with; it exists in no DNS and is given to nobody else. */
export const materialSignerName = 'certstore.service.postern.internal';

/** The name of the platform's CA, by which a client tells that it was given that one to believe. */
export const platformCaName = 'Postern platform CA';

/** One place where a destination names a certificate, and who needs its contents there. */
export interface RouteCertificate {
  readonly id: string;
  /** JSON pointer into the destination. */
  readonly field: string;
  readonly role: CertificateRole;
  readonly holder: 'node' | 'client';
}

/** Every place where a route names a certificate, or the password of a proxy. Who may have which contents is decided by this and nothing else. */
export function certificateUses(
  route: Pick<Route, 'kind' | 'resource' | 'front' | 'listener'>,
): RouteCertificate[] {
  const uses: RouteCertificate[] = [];
  const add = (
    id: string | null,
    field: string,
    role: CertificateRole,
    holder: RouteCertificate['holder'],
  ): void => {
    if (id !== null) uses.push({ id, field, role, holder });
  };
  const { front, listener, resource } = route;
  // The end that dials the resource verifies it and shows it the pair.
  const dials = route.kind === 'cloud' ? 'node' : 'client';
  add(front?.tls.certificateId ?? null, '/front/tls/certificateId', 'server', 'node');
  for (const [index, id] of (front?.tls.clientCaIds ?? []).entries()) {
    add(id, `/front/tls/clientCaIds/${index}`, 'ca', 'node');
  }
  add(listener?.tls.certificateId ?? null, '/listener/tls/certificateId', 'server', 'client');
  for (const [index, id] of (listener?.tls.clientCaIds ?? []).entries()) {
    add(id, `/listener/tls/clientCaIds/${index}`, 'ca', 'client');
  }
  for (const [index, id] of resource.tls.caCertificateIds.entries()) {
    add(id, `/resource/tls/caCertificateIds/${index}`, 'ca', dials);
  }
  add(resource.tls.clientCertificateId, '/resource/tls/clientCertificateId', 'client', dials);
  add(resource.proxy?.passwordId ?? null, '/resource/proxy/passwordId', 'password', dials);
  return uses;
}
