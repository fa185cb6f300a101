/**
 * Whose API key a request shows. acl decides; its answers, refusals too, are kept for a few seconds within a bound,
 * under the key's hash, so that a burst of calls asks once. A notice that a key changed empties the cache; one that is
 * lost costs no more than the answers' short life. The key itself never leaves this process and is not kept.
 *
 * A stranger may show another key in each request. acl answers clients' first calls too and refuses what is too much at
 * once, so few questions are under way here, and of one address fewer.
 */
import {
  ServiceError,
  aclChanged,
  apiKeyCharactersMax,
  ask,
  listen,
  secretHash,
  verifyApiKey,
  type ApiKey,
} from '@postern/contracts';
import type { Bus, Subscription } from '@postern/bus';
import { Shares, addressGroup, setNewest } from '@postern/share';
import { adminError } from '../errors.ts';

/** Questions to acl at once, a quarter of what acl answers at once (libs/bus). */
export const asksMax = 256;
/** Of one address; of IPv6, of one /64. */
export const asksPerAddressMax = 32;

interface Entry {
  readonly expiresAt: number;
  readonly verdict: Promise<ApiKey>;
}

/** Bounds of the cache. */
export interface AuthenticatorOptions {
  readonly bus: Bus;
  readonly entriesMax: number;
  readonly lifeMs: number;
  readonly now?: () => number;
  readonly onError: (error: unknown) => void;
}

/** Asks acl for keys, and remembers for a moment. */
export class Authenticator {
  readonly #options: AuthenticatorOptions;
  readonly #now: () => number;
  readonly #entries = new Map<string, Entry>();
  /** Questions that are under way, by address. */
  readonly #asking = new Shares(asksMax, asksPerAddressMax);
  readonly #subscription: Subscription;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
    // A clock that only goes forward: one that is set back would keep a deleted key.
    this.#now = options.now ?? (() => performance.now());
    this.#subscription = listen(
      options.bus,
      aclChanged,
      (change) => {
        if (change.kind === 'api-key') this.#entries.clear();
      },
      options.onError,
    );
  }

  /** How many answers are kept. */
  get size(): number {
    return this.#entries.size;
  }

  /** The key behind an `Authorization` header. Throws `ADMIN_KEY_MISSING`, `ADMIN_KEY_WRONG` or `ADMIN_KEY_RATE`. */
  async authenticate(authorization: string | undefined, address: string): Promise<ApiKey> {
    const hash = secretHash(bearerKey(authorization));
    const group = addressGroup(address);
    const kept = this.#entries.get(hash);
    if (kept !== undefined && kept.expiresAt > this.#now()) return kept.verdict;
    if (this.#asking.whyFull(group) !== null)
      throw adminError('ADMIN_KEY_RATE', 'too many unknown keys at once: come back in a second');
    const verdict = this.#asking.during(group, () => this.#ask(hash));
    const { entriesMax, lifeMs } = this.#options;
    setNewest(this.#entries, hash, { verdict, expiresAt: this.#now() + lifeMs }, entriesMax);
    return verdict;
  }

  close(): void {
    this.#subscription.close();
    this.#entries.clear();
  }

  async #ask(keyHash: string): Promise<ApiKey> {
    try {
      return await ask(this.#options.bus, verifyApiKey, { keyHash });
    } catch (error) {
      const { code } = ServiceError.from(error);
      if (code === 'ACL_API_KEY_WRONG') throw wrongKey(error);
      // What is no verdict (acl out of reach) must be asked again at once.
      this.#entries.delete(keyHash);
      throw error;
    }
  }
}

/** The key in an `Authorization: Bearer` header. Throws `ADMIN_KEY_MISSING` or `ADMIN_KEY_WRONG`. */
export function bearerKey(authorization: string | undefined): string {
  if (authorization === undefined) {
    throw adminError('ADMIN_KEY_MISSING', 'send an API key: Authorization: Bearer KEY');
  }
  const key = /^bearer +([\x21-\x7e]+) *$/i.exec(authorization)?.[1];
  if (key === undefined || key.length > apiKeyCharactersMax) throw wrongKey();
  return key;
}

function wrongKey(cause?: unknown): ServiceError {
  return adminError('ADMIN_KEY_WRONG', 'this API key is unknown or was deleted', { cause });
}
