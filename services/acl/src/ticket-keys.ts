/**
 * The keys that tickets are signed with. The private half is made here at each start, kept in memory and never
 * stored; the public half is stored before the first ticket is signed with it, until none of them can be alive.
 * So there is no signing key at rest, and every replica of acl lists the keys of all.
 */
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type CryptoKey } from 'jose';
import { ticketLifeSeconds } from '@postern/contracts';
import { every } from '@postern/store';
import type { Documents, TicketKeyDocument } from './document.ts';

const hourMs = 3_600_000;
/** Clocks of nodes may differ by this much. */
const clockMarginMs = 300_000;

/** A key to sign with. */
export interface SigningKey {
  kid: string;
  privateKey: CryptoKey;
}

/** A public key as nodes get it. */
export interface PublicTicketKey {
  kid: string;
  kty: string;
  crv: string;
  x: string;
}

/** The keys of this process, and the public ones of all. */
export class TicketKeys {
  readonly #documents: Documents;
  readonly #lifeMs: number;
  readonly #now: () => number;
  #current: (SigningKey & { until: number; stored: TicketKeyDocument }) | null = null;
  #making: Promise<SigningKey> | null = null;

  constructor(parts: { documents: Documents; ticketKeyHours: number; now: () => number }) {
    this.#documents = parts.documents;
    this.#lifeMs = parts.ticketKeyHours * hourMs;
    this.#now = parts.now;
  }

  /** The key to sign with now; makes one when there is none or its time is over. */
  async signingKey(): Promise<SigningKey> {
    if (this.#current !== null && this.#now() < this.#current.until) return this.#current;
    this.#making ??= this.#make().finally(() => {
      this.#making = null;
    });
    return this.#making;
  }

  /**
   * Every public key that a living ticket may be signed with, and those that are not yet forgotten: whether a ticket lives
   * says its own time, at the node, and by this clock alone, were it wrong, keys of other replicas would be missing. Where
   * the documents were lost or are those of a backup, the one that is signed with here is stored again: nodes ask when they
   * meet a key that they do not know.
   */
  async list(): Promise<PublicTicketKey[]> {
    const keys = await Array.fromAsync(every(this.#documents.ticketKeys));
    const own = this.#current?.stored;
    if (own !== undefined && !keys.some(({ id }) => id === own.id)) {
      await this.#documents.ticketKeys.put(own);
      keys.push(own);
    }
    return keys.map(({ id, x }) => ({ kid: id, kty: 'OKP', crv: 'Ed25519', x }));
  }

  /** Forgets public keys with which no ticket is signed that lives at this time; says how many. */
  async sweep(time: number): Promise<number> {
    let swept = 0;
    for await (const { id, expiresAt } of every(this.#documents.ticketKeys)) {
      if (Date.parse(expiresAt) > time) continue;
      if (await this.#documents.ticketKeys.delete(id)) swept += 1;
    }
    return swept;
  }

  async #make(): Promise<SigningKey> {
    const { publicKey, privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519' });
    const jwk = await exportJWK(publicKey);
    const kid = await calculateJwkThumbprint(jwk);
    const until = this.#now() + this.#lifeMs;
    const expiresAt = new Date(until + ticketLifeSeconds.reserve * 1000 + clockMarginMs).toISOString();
    const stored = { id: kid, revision: 1, x: jwk.x ?? '', expiresAt };
    await this.#documents.ticketKeys.insert(stored);
    this.#current = { kid, privateKey, until, stored };
    return this.#current;
  }
}
