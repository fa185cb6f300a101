/**
 * The key that secrets for this client are sealed to. Made at each start, held in memory only, and signed with the key
 * that the client's ID is made of; so whoever seals to it knows whom it reaches, whatever is in between.
 */
import { generateKeyPairSync } from 'node:crypto';
import { type SealingKey as PublicSealingKey, sealingKeyText } from '@postern/contracts';
import { keyThumbprint, openSealed } from '@postern/tls/sealing';
import type { Identity } from './identity.ts';

/** The key of this process. */
export class SealingKey {
  readonly publicKey: PublicSealingKey;
  readonly #open: (sealed: string) => Promise<string>;
  readonly #identity: Identity;

  constructor(identity: Identity) {
    this.#identity = identity;
    const { publicKey, privateKey } = generateKeyPairSync('x25519');
    const { x = '' } = publicKey.export({ format: 'jwk' });
    this.publicKey = { kty: 'OKP', crv: 'X25519', x };
    this.#open = (sealed) => openSealed(privateKey, sealed);
  }

  /** What this recipient is called in signatures. */
  thumbprint(): Promise<string> {
    return keyThumbprint(this.publicKey);
  }

  /** The client's signature that this key is its own. */
  signature(clientId: string): string {
    return this.#identity.sign(sealingKeyText(clientId, this.publicKey));
  }

  /** What was sealed to it. Throws `TLS_SEAL_BROKEN`. */
  open(sealed: string): Promise<string> {
    return this.#open(sealed);
  }
}
