/** Signs certificates: decides on names, has the CA sign, notes what was signed, and says when to come again. */
import {
  issueNodeCertificate,
  materialSignerName,
  nodeIdentityName,
  type CertificateHolder,
  type IssuedCertificate,
} from '@postern/contracts';
import { TlsError, describeCertificate, type CertificateUsage } from '@postern/tls';
import type { Authorities, AuthorityName } from './authority.ts';
import { certstoreError } from '../errors.ts';
import type { IssuedList } from './issued.ts';
import type { NamePolicy } from './name-policy.ts';

/** What it needs. */
export interface IssuerParts {
  readonly authorities: Authorities;
  readonly issued: IssuedList;
  readonly policy: NamePolicy;
  readonly certificateDays: number;
  readonly now: () => Date;
}

/** A signing request with whom it is for. */
export interface SigningOrder {
  readonly csrPem: string;
  readonly holder: CertificateHolder;
  readonly names: readonly string[];
  readonly addresses: readonly string[];
}

const dayMs = 86_400_000;

/** Throws unless the node is the one at whose subject was asked: the bus lets each ask at its own. */
export function demandOwnName({ kind, name }: CertificateHolder, subject: string): void {
  if (kind === 'node' && subject === `${issueNodeCertificate.subject}.${name}`) return;
  throw certstoreError('CERTSTORE_NAME_REFUSED', `${name} is not the node at whose subject was asked`);
}

/** Signs for servers and for nodes. */
export class Issuer {
  readonly #parts: IssuerParts;

  constructor(parts: IssuerParts) {
    this.#parts = parts;
  }

  /** A server certificate of the platform's CA. */
  async issueServer(order: SigningOrder): Promise<IssuedCertificate> {
    this.#parts.policy.demand(order.names, order.addresses);
    return this.#issue('platform', 'server', order);
  }

  /** An identity of the cluster's CA; the holder has one name, and no say in it. */
  async issueNode(order: Pick<SigningOrder, 'csrPem' | 'holder'>): Promise<IssuedCertificate> {
    if (nodeIdentityName(order.holder) === materialSignerName) {
      throw certstoreError(
        'CERTSTORE_NAME_REFUSED',
        `${materialSignerName} is certstore's own and given to nobody`,
      );
    }
    return this.#issue('cluster', 'both', {
      ...order,
      names: [nodeIdentityName(order.holder)],
      addresses: [],
    });
  }

  async #issue(
    authority: AuthorityName,
    usage: CertificateUsage,
    { csrPem, holder, names, addresses }: SigningOrder,
  ): Promise<IssuedCertificate> {
    const { authorities, certificateDays, now, issued } = this.#parts;
    const { signer, certificatePem: caPem } = authorities[authority];
    const notAfter = new Date(now().getTime() + certificateDays * dayMs);
    const chainPem = await signer
      .issue({ csrPem, names: distinct(names), addresses: distinct(addresses), usage, notAfter })
      .catch((error: unknown) => {
        throw error instanceof TlsError ? refused(error) : error;
      });
    const certificate = describeCertificate(chainPem);
    await issued.add(authority, holder, certificate);
    return {
      chainPem,
      caPem,
      fingerprint: certificate.fingerprint,
      notBefore: certificate.notBefore.toISOString(),
      notAfter: certificate.notAfter.toISOString(),
      renewAt: twoThirds(certificate.notBefore, certificate.notAfter).toISOString(),
    };
  }
}

function refused(cause: TlsError): Error {
  return certstoreError('CERTSTORE_REQUEST_INVALID', cause.message, { cause });
}

function distinct(values: readonly string[]): string[] {
  return [...new Set(values.map((value) => value.toLowerCase()))];
}

function twoThirds(from: Date, to: Date): Date {
  return new Date(from.getTime() + ((to.getTime() - from.getTime()) * 2) / 3);
}
