/**
 * Certificates that operators upload or have generated, and what admin asks certstore about them. A private key goes
 * in and never comes back: an answer only says whether there is one. Refusals of contents have one sentence and one
 * code for each fault (`CERTSTORE_PEM_INVALID`, `CERTSTORE_KEY_MISMATCH`, … in docs/ERRORS.md), all with 400.
 */
import { Type, type Static } from 'typebox';
import { SealingKey } from './client-key.ts';
import { keyGatewaysProperty } from './api-key.ts';
import {
  MergePatch,
  Done,
  expectedRevision,
  lineOf,
  objectProperties,
  pageOf,
  pageRequestProperties,
} from './object.ts';
import { PasswordPlace } from './password.ts';
import { defineNotice, defineQuestion } from './question.ts';

/** The longest upload, all files together. */
export const certificateUploadBytesMax = 256 * 1024;
/** The most that chain and key have as PEM, so that sealed they fit one frame of the tunnel. */
export const certificatePemCharactersMax = 40 * 1024;
/** Days before its end at which a certificate is warned of. */
export const expiryWarningDays = [30, 14, 7, 1] as const;

/** What a certificate is good for: `ca` to trust others by, the rest by its extended key usage. */
export const CertificateKind = Type.Union(
  [Type.Literal('ca'), Type.Literal('server'), Type.Literal('client'), Type.Literal('both')],
  { description: '`ca`: others are verified by it; else what its extended key usage allows' },
);
export type CertificateKind = Static<typeof CertificateKind>;

/** What should be looked at. */
export const CertificateWarning = Type.Object({
  code: Type.String({ description: 'a code of docs/ERRORS.md' }),
  message: Type.String(),
});
export type CertificateWarning = Static<typeof CertificateWarning>;

/** A destination that names a certificate, and where in it. */
export const CertificateUser = Type.Object({
  gatewayId: Type.String(),
  destinationId: Type.String(),
  name: Type.String(),
  field: Type.String({ description: 'JSON pointer into the destination' }),
});
export type CertificateUser = Static<typeof CertificateUser>;

const name = Type.String({ minLength: 1, maxLength: 128 });

/** A certificate as it is shown; of a chain, the facts are those of its first. */
export const Certificate = Type.Object({
  ...objectProperties,
  name,
  kind: CertificateKind,
  subject: Type.String(),
  san: Type.Array(Type.String(), { description: 'names and addresses, as `DNS:` and `IP:`' }),
  issuer: Type.String(),
  notBefore: Type.String({ format: 'date-time' }),
  notAfter: Type.String({ format: 'date-time', description: 'the earliest end in the chain' }),
  fingerprint: Type.String({ description: 'SHA-256, hexadecimal, lower case' }),
  key: Type.String({ description: 'the kind of its key: `ECDSA P-256`' }),
  certificates: Type.Integer({ description: 'how many there are in the chain or bundle' }),
  hasKey: Type.Boolean({ description: 'whether certstore holds its private key' }),
  contentRevision: Type.Integer({ minimum: 1, description: 'grows by one when the contents are replaced' }),
  issuerId: Type.Union([Type.String(), Type.Null()], {
    description: 'the CA in this list that a generated pair is of',
  }),
  usedBy: Type.Array(CertificateUser),
  warnings: Type.Array(CertificateWarning),
});
export type Certificate = Static<typeof Certificate>;

/** One uploaded file as it came: PEM, DER or PKCS #12. */
const UploadedFile = Type.String({
  minLength: 1,
  maxLength: Math.ceil(certificateUploadBytesMax / 3) * 4,
  description: 'base64',
});

/** The contents of a certificate: files in any order, keys among them, with the passphrase that opens them. */
export const CertificateContents = Type.Object(
  {
    files: Type.Array(UploadedFile, { minItems: 1, maxItems: 16 }),
    passphrase: Type.Optional(Type.String({ maxLength: 1024 })),
  },
  { additionalProperties: false },
);
export type CertificateContents = Static<typeof CertificateContents>;

/** What has a secret in it crosses the bus as a JWE only (ECDH-ES, A256GCM). */
const SealedText = Type.String({ minLength: 1, maxLength: 640 * 1024 });

/** The key that whoever sends certstore a secret seals it to. */
export const getIntakeKey = defineQuestion(
  'certstore.intake-key.get',
  Type.Object({}),
  Type.Object({ key: SealingKey }),
);

/** Longer than certstore reads an upload before it gives up, so that who uploads is told why. */
const uploadDeadlineMs = 15_000;

/**
 * Stores a certificate; `sealed` is `CertificateContents` for the intake key. `CERTSTORE_LIMIT` (409) when there are
 * as many as there may be.
 */
export const createCertificate = defineQuestion(
  'certstore.certificates.create',
  Type.Object({ name, sealed: SealedText }),
  Certificate,
  { deadlineMs: uploadDeadlineMs },
);
/** One certificate, or `CERTSTORE_CERTIFICATE_NOT_FOUND` (404). */
export const getCertificate = defineQuestion(
  'certstore.certificates.get',
  Type.Object({ id: Type.String() }),
  Certificate,
);
/** A page of them. */
export const listCertificates = defineQuestion(
  'certstore.certificates.list',
  Type.Object(pageRequestProperties),
  pageOf(Certificate),
);
/**
 * Another name, other contents, or both. New contents without a private key keep the key that there is, when it is
 * theirs. They must do for all that uses the certificate. `sealed` is as
 * in `createCertificate`. `CERTSTORE_REVISION_STALE` (412).
 */
export const updateCertificate = defineQuestion(
  'certstore.certificates.update',
  Type.Object({
    id: Type.String(),
    patch: MergePatch,
    sealed: Type.Optional(SealedText),
    revision: expectedRevision,
  }),
  Certificate,
  { deadlineMs: uploadDeadlineMs },
);
/** Deletes a certificate that nothing uses; `CERTSTORE_IN_USE` (409) names what does. */
export const deleteCertificate = defineQuestion(
  'certstore.certificates.delete',
  Type.Object({ id: Type.String(), revision: expectedRevision }),
  Done,
);

/** What a pair is generated from. */
export const GenerateInput = Type.Object(
  {
    name: lineOf({ minLength: 1, maxLength: 128 }),
    usage: Type.Union([Type.Literal('client'), Type.Literal('server')]),
    subject: Type.String({
      minLength: 1,
      maxLength: 256,
      description: 'a common name, or `CN=…, O=…, OU=…`',
    }),
    san: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 253 }), {
        maxItems: 64,
        description: 'DNS names and IP addresses',
      }),
    ),
    days: Type.Optional(Type.Integer({ minimum: 1, maximum: 3650, description: '365 unless given' })),
    gatewayId: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 64,
        description: 'the gateway whose CA signs a client pair; a CA for all gateways unless given',
      }),
    ),
    format: Type.Optional(
      Type.Union([Type.Literal('zip'), Type.Literal('p12')], {
        description: 'of the download; zip unless given',
      }),
    ),
    passphrase: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 256,
        description: 'seals the downloaded key; must be given for p12',
      }),
    ),
  },
  { additionalProperties: false },
);
export type GenerateInput = Static<typeof GenerateInput>;

/** The only copy of a generated private key that ever leaves. */
export const CertificateDownload = Type.Object({
  fileName: Type.String(),
  mediaType: Type.String(),
  base64: Type.String({ description: 'the file' }),
});
export type CertificateDownload = Static<typeof CertificateDownload>;

/**
 * Makes a pair: `server` of the platform's CA, `client` of the gateway's. `sealed` is `GenerateInput` for the intake
 * key; the answer's `sealedDownload` is `CertificateDownload` for `recipient`. `CERTSTORE_NAME_REFUSED` (403).
 */
export const generateCertificate = defineQuestion(
  'certstore.certificates.generate',
  Type.Object({ sealed: SealedText, recipient: SealingKey }),
  Type.Object({ certificate: Certificate, sealedDownload: SealedText }),
  { deadlineMs: 15_000 },
);

/** What a destination wants a certificate for. */
export const CertificateRole = Type.Union([
  Type.Literal('server', { description: 'shown to callers: needs a key and a server usage' }),
  Type.Literal('client', { description: 'shown to the resource: needs a key and a client usage' }),
  Type.Literal('ca', { description: 'others are verified by it: a CA, or a self-signed certificate' }),
  Type.Literal('password', { description: 'shown to the proxy before the resource; no certificate' }),
]);
export type CertificateRole = Static<typeof CertificateRole>;

/** Which end needs a certificate's contents. */
const Holder = Type.Union([Type.Literal('node'), Type.Literal('client')]);

/** One place in a destination that names a certificate. */
export const CertificateUse = Type.Object({
  id: Type.String(),
  field: Type.String(),
  role: CertificateRole,
  holder: Type.Optional(Holder),
  host: Type.Optional(Type.String({ description: 'the host that a server certificate must cover' })),
  place: Type.Optional(PasswordPlace),
});
export type CertificateUse = Static<typeof CertificateUse>;

/**
 * Whether certificates are there and fit: the router asks before it takes a destination that names them. For an API key
 * that is for certain gateways `CERTSTORE_CERTIFICATE_DENIED` (403) where it may not name one.
 */
export const checkCertificates = defineQuestion(
  'certstore.certificates.check',
  Type.Object({ uses: Type.Array(CertificateUse, { minItems: 1, maxItems: 64 }), ...keyGatewaysProperty }),
  Type.Object({
    faults: Type.Array(Type.Object({ path: Type.String(), code: Type.String(), message: Type.String() })),
    warnings: Type.Array(Type.Object({ path: Type.String(), code: Type.String(), message: Type.String() })),
  }),
);

/**
 * certstore is about to delete a certificate: the router takes no destination that names it any more, also none whose
 * certificates were checked before. Who asks looks at the routes once more afterwards; a deletion that is refused then
 * says so with `isOver`, and the certificate may be named again, unless another deletion released it too. A router of the
 * version before takes that for one more release.
 */
export const releaseCertificate = defineQuestion(
  'router.certificates.release',
  Type.Object({
    id: Type.String(),
    deletion: Type.Optional(Type.String()),
    isOver: Type.Optional(Type.Boolean()),
  }),
  Done,
);

/** A certificate as nodes follow it (feed `certstore.certificates`): which contents it has now, never the contents. */
export const CertificateRecord = Type.Object({
  id: Type.String(),
  contentRevision: Type.Integer({
    minimum: 1,
    description:
      'grows with each change of the document, its contents among them, and with a restore; never goes back',
  }),
  kind: CertificateKind,
  subject: Type.String(),
  fingerprint: Type.String(),
  hasKey: Type.Boolean(),
  notBefore: Type.String(),
  notAfter: Type.String(),
});
export type CertificateRecord = Static<typeof CertificateRecord>;

/** A certificate has passed one of `expiryWarningDays`, or ended (0). Told once for each by one certstore, and may be lost. */
export const certificateExpires = defineNotice(
  'certstore.expires',
  Type.Object({
    id: Type.String(),
    name: Type.String(),
    contentRevision: Type.Integer(),
    notAfter: Type.String(),
    days: Type.Integer({ minimum: 0, description: 'which bound was passed' }),
    usedBy: Type.Array(CertificateUser),
    at: Type.String(),
  }),
);

/** How far a change of the key-encryption key has come. */
export const KeyRotation = Type.Object({
  keyId: Type.String({ description: 'the newest key, under which everything is being sealed' }),
  keyIds: Type.Array(Type.String(), { description: 'all keys that certstore has' }),
  state: Type.Union([Type.Literal('running'), Type.Literal('done'), Type.Literal('waiting')]),
  total: Type.Integer({ minimum: 0, description: 'secrets that there are' }),
  left: Type.Integer({ minimum: 0, description: 'secrets that are still under another key' }),
  fault: Type.Union([Type.String(), Type.Null()], { description: 'why it waits' }),
});
export type KeyRotation = Static<typeof KeyRotation>;

/** How far it is. */
export const getKeyRotation = defineQuestion('certstore.key-rotation.get', Type.Object({}), KeyRotation);
/** Reads the keys anew and seals everything under the newest, in the background. */
export const startKeyRotation = defineQuestion('certstore.key-rotation.start', Type.Object({}), KeyRotation);
