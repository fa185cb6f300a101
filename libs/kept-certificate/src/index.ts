export {
  type HeldCertificate,
  KeptCertificate,
  type KeptCertificateOptions,
  type Wait,
} from './kept-certificate.ts';
