/**
 * What services ask of certstore: the certificates that they serve with and know each other by.
 * A private key never crosses the bus: whoever needs a certificate makes its key pair and sends a signing request.
 * There are two CAs: the platform's, which clients and browsers verify, and the cluster's, which signs nothing but
 * the identities of nodes and services, so that nobody can pose as a node (design.md, rule 8).
 */
import { Type, type Static } from 'typebox';
import { defineQuestion } from './question.ts';

/** One DNS name, or a wildcard for the names one label below. */
const DnsName = Type.String({
  minLength: 1,
  maxLength: 253,
  pattern: '^(\\*\\.)?[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*$',
});
const IpAddress = Type.String({ minLength: 2, maxLength: 45, pattern: '^[0-9A-Fa-f:.]+$' });
const SigningRequest = Type.String({
  minLength: 64,
  maxLength: 16_384,
  description: 'PKCS #10, PEM, signed by its own key',
});

/** Who holds a certificate: one node of the data plane, or one service. */
export const CertificateHolder = Type.Object({
  kind: Type.Union([Type.Literal('node'), Type.Literal('service')]),
  name: Type.String({ minLength: 1, maxLength: 64, pattern: '^[A-Za-z0-9][A-Za-z0-9._-]*$' }),
});
export type CertificateHolder = Static<typeof CertificateHolder>;

/** A certificate that was issued, with what its holder must send and trust. */
export const IssuedCertificate = Type.Object({
  chainPem: Type.String({
    description: 'what the holder sends: its certificate first; the CA itself is not in it',
  }),
  caPem: Type.String({ description: 'the CA that signed it' }),
  fingerprint: Type.String({ description: 'SHA-256 of the certificate, hexadecimal, lower case' }),
  notBefore: Type.String(),
  notAfter: Type.String(),
  renewAt: Type.String({ description: 'when to ask for the next one: two thirds of its life are over' }),
});
export type IssuedCertificate = Static<typeof IssuedCertificate>;

/** The platform's CA: what clients, browsers and the CLI verify with. */
export const getCa = defineQuestion(
  'certstore.ca.get',
  Type.Object({}),
  Type.Object({
    pem: Type.String(),
    fingerprint: Type.String({ description: 'SHA-256 of the certificate, hexadecimal, lower case' }),
    notAfter: Type.String(),
  }),
);

/**
 * A server certificate from the platform's CA. Refusals: `CERTSTORE_REQUEST_INVALID` (400: the signing request is no
 * such thing, not signed by its key, or the key is too weak), `CERTSTORE_NAME_REFUSED` (403: a name is neither the
 * platform's host, nor below it, nor a loopback or listed one).
 */
export const issueServerCertificate = defineQuestion(
  'certstore.server-certificate.issue',
  Type.Object({
    csrPem: SigningRequest,
    names: Type.Array(DnsName, { maxItems: 64 }),
    addresses: Type.Array(IpAddress, { maxItems: 64 }),
    holder: CertificateHolder,
  }),
  IssuedCertificate,
);

/**
 * A node's or a service's identity from the cluster's CA, for both ends of a mutual TLS connection between nodes.
 * Its only name is `nodeIdentityName(holder)`, whatever the signing request asks for. A node asks at
 * `certstore.node-certificate.issue.<node>`, where a user of its own on the bus may ask for no other's; `CERTSTORE_NAME_REFUSED`
 * (403) when the holder is another. Without a name at the end it is asked by those whom the bus knows as one of the nodes only.
 */
export const issueNodeCertificate = defineQuestion(
  'certstore.node-certificate.issue',
  Type.Object({ csrPem: SigningRequest, holder: CertificateHolder }),
  IssuedCertificate,
);

/** The name in a cluster certificate: what the other end of a relay verifies. It exists in no DNS. */
export function nodeIdentityName(holder: CertificateHolder): string {
  return `${holder.name.toLowerCase()}.${holder.kind}.postern.internal`;
}
