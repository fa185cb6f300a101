/** Who a certificate says it is for: its subject and alternative names as typed texts, none made of another. */
import { SubjectAlternativeNameExtension, X509Certificate } from './x509.ts';

/** One name in a certificate. */
export interface CertificateName {
  kind: 'CN' | 'O' | 'OU' | 'DNS' | 'URI' | 'EMAIL' | 'IP';
  text: string;
}

/** A longer name is nobody's: it is left out, not cut, so that it cannot be taken for another. */
const nameLengthMax = 1_024;
const subjectKinds = ['CN', 'O', 'OU'] as const;
const alternativeKinds: Readonly<Record<string, CertificateName['kind']>> = {
  dns: 'DNS',
  url: 'URI',
  email: 'EMAIL',
  ip: 'IP',
};

/** The names of a certificate in DER. */
export function certificateIdentity(der: Buffer): CertificateName[] {
  const certificate = new X509Certificate(new Uint8Array(der));
  const subject = subjectKinds.flatMap((kind) =>
    certificate.subjectName.getField(kind).map((text) => ({ kind, text })),
  );
  const alternative = certificate.getExtension(SubjectAlternativeNameExtension)?.names.items ?? [];
  const named = alternative.flatMap(({ type, value }) => {
    const kind = alternativeKinds[type];
    return kind === undefined ? [] : [{ kind, text: value }];
  });
  return [...subject, ...named].filter(({ text }) => text.length <= nameLengthMax);
}
