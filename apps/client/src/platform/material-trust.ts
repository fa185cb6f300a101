/**
 * Whether sealed contents are certstore's own. It signs them with a certificate of the platform's CA that nobody else is
 * given; so where the client was given that CA to believe, no node can put contents of its own in their place. Where the
 * client believes other CAs (the platform's host shows a certificate of a public one), it holds on to the first platform
 * CA that it sees, for the life of the process.
 */
import { X509Certificate } from 'node:crypto';
import { type SealedMaterial, materialSignerName, materialText, platformCaName } from '@postern/contracts';
import { demandSigner, isSignedText, splitChain } from '@postern/tls/sealing';
import { ClientError } from '../errors.ts';
import type { BelievedCa } from './ca-file.ts';

/** One for the process. */
export class MaterialTrust {
  readonly #ca: Pick<BelievedCa, 'pem'>;
  #seen: string | null = null;

  /** `ca` is what the client was given to believe the platform by. */
  constructor(ca: Pick<BelievedCa, 'pem'>) {
    this.#ca = ca;
  }

  /** Throws `CLIENT_MATERIAL_BROKEN` unless certstore signed this for the recipient. */
  check(item: SealedMaterial, recipient: string): void {
    try {
      const [signerPem = '', shownCaPem = ''] = splitChain(item.signerPem);
      const { pem } = this.#ca;
      const caPem = (pem === null ? null : platformCaOf(pem)) ?? this.#seen ?? shownCaPem;
      demandSigner(signerPem, { caPem, name: materialSignerName });
      if (!isSignedText(signerPem, materialText(recipient, item), item.signature))
        throw new Error('the signature is wrong');
      this.#seen = caPem;
    } catch (cause) {
      throw new ClientError(
        'CLIENT_MATERIAL_BROKEN',
        `the contents of the certificate ${item.id} were not taken: ${cause instanceof Error ? cause.message : 'unknown'}`,
        { cause },
      );
    }
  }
}

/** Of the CAs to believe, the platform's own; null when it is not among them. */
function platformCaOf(caPem: string): string | null {
  const own = splitChain(caPem).filter((pem) => new X509Certificate(pem).subject === `CN=${platformCaName}`);
  return own.length === 0 ? null : own.join('');
}
