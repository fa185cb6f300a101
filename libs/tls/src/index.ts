/**
 * Keys, certificates, CAs and TLS contexts.
 *
 *     const ca = loadAuthority(await createAuthority({ commonName: 'Postern CA' }));
 *     const keyPem = await generateKey();
 *     const csrPem = await createSigningRequest({ keyPem, commonName: 'node-1', names: ['node-1.tunnel.example'] });
 *     const certificatePem = await ca.issue({ csrPem, names: ['node-1.tunnel.example'], usage: 'server', notAfter });
 *
 * PEM in, PEM out; `describeCertificate` reads one, `demandSigner` holds one against CAs. `contextOptions` carries
 * the platform's TLS defaults. `connectTls` dials and says in full why a peer is not believed.
 */
export {
  type Authority,
  type CertificateUsage,
  type IssueRequest,
  type SubjectAttribute,
  createAuthority,
  loadAuthority,
} from './authority.ts';
export { type CertificateDescription, describeCertificate } from './certificate.ts';
export { certificateIdentity } from './certificate-identity.ts';
export { connectTls } from './connect.ts';
export { type ContextOptions, contextOptions } from './context.ts';
export { TlsError } from './errors.ts';
export type { FailurePlace } from './failure.ts';
export { generateKey, keyWeakness } from './key.ts';
export { boundKeyUpdates } from './key-updates.ts';
export type { Names } from './name.ts';
export { splitChain } from './pem.ts';
export { createSigningRequest } from './request.ts';
export { strangerText } from './stranger-text.ts';
export { signatureWeakness } from './weakness.ts';
export {
  certificateKey,
  demandSigner,
  isSignedText,
  keyThumbprint,
  openSealed,
  sealText,
  signText,
} from './sealing.ts';
