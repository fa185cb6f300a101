/**
 * Whose API key a request shows. acl decides; its answers, refusals too, are kept for a few seconds within a bound,
 * under the key's hash, so that a burst of calls asks once. A notice that a key changed empties the cache; one that is
 * lost costs no more than the answers' short life. The key itself never leaves this process and is not kept.
 *
 * A stranger may show another key in each request. acl answers clients' first calls too and refuses what is too much at
 * once, so few questions are under way here, and of one address fewer.
 *
 * Whether the platform is well is asked most when it is not. For that alone a key that acl let in within the hour is let in
 * while acl is out of reach or says nothing, as reserve tickets are. Everybody else is told which part is away, and not in
 * whose words.
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

/** How long after acl let a key in it is let in without acl, where that is enough. */
const reserveMs = 3_600_000;
/** So long acl's answer is waited for before that: what is asked next has a deadline of its own. */
const answerMs = 1_000;

interface Entry {
  readonly expiresAt: number;
  readonly verdict: Promise<ApiKey>;
}

interface Reserve {
  readonly expiresAt: number;
  readonly key: ApiKey;
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
  readonly #reserve = new Map<string, Reserve>();
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
        if (change.kind === 'api-key') this.#forget();
      },
      options.onError,
    );
  }

  /** How many answers are kept. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * The key behind an `Authorization` header. Throws `ADMIN_KEY_MISSING`, `ADMIN_KEY_WRONG` or `ADMIN_KEY_RATE`, and where acl
   * is out of reach what keeps it from an answer, unless `reserve` says that an answer of the last hour is enough.
   */
  async authenticate(
    authorization: string | undefined,
    address: string,
    { reserve = false }: { reserve?: boolean } = {},
  ): Promise<ApiKey> {
    const hash = secretHash(bearerKey(authorization));
    const verdict = this.#verdict(hash, addressGroup(address));
    return reserve ? this.#orReserve(hash, verdict) : verdict;
  }

  close(): void {
    this.#subscription.close();
    this.#forget();
  }

  #forget(): void {
    this.#entries.clear();
    this.#reserve.clear();
  }

  async #orReserve(hash: string, verdict: Promise<ApiKey>): Promise<ApiKey> {
    const { promise: late, resolve } = Promise.withResolvers<null>();
    const timer = setTimeout(() => resolve(null), answerMs);
    try {
      const key = await Promise.race([verdict, late]);
      if (key !== null) return key;
    } catch (error) {
      if (!isOutOfReach(error)) throw error;
    } finally {
      clearTimeout(timer);
    }
    const kept = this.#reserve.get(hash);
    return kept !== undefined && kept.expiresAt > this.#now() ? kept.key : verdict;
  }

  async #verdict(hash: string, group: string): Promise<ApiKey> {
    const kept = this.#entries.get(hash);
    if (kept !== undefined && kept.expiresAt > this.#now()) return kept.verdict;
    if (this.#asking.whyFull(group) !== null)
      throw adminError('ADMIN_KEY_RATE', 'too many unknown keys at once: come back in a second');
    const verdict = this.#asking.during(group, () => this.#ask(hash));
    const { entriesMax, lifeMs } = this.#options;
    setNewest(this.#entries, hash, { verdict, expiresAt: this.#now() + lifeMs }, entriesMax);
    return verdict;
  }

  async #ask(keyHash: string): Promise<ApiKey> {
    const { bus, entriesMax } = this.#options;
    try {
      const key = await ask(bus, verifyApiKey, { keyHash });
      setNewest(this.#reserve, keyHash, { key, expiresAt: this.#now() + reserveMs }, entriesMax);
      return key;
    } catch (error) {
      const { code } = ServiceError.from(error);
      if (code === 'ACL_API_KEY_WRONG') {
        this.#reserve.delete(keyHash);
        throw wrongKey(error);
      }
      // What is no verdict (acl out of reach) must be asked again at once.
      this.#entries.delete(keyHash);
      throw isOutOfReach(error) ? notChecked(error, bus.connected) : error;
    }
  }
}

function isOutOfReach(error: unknown): boolean {
  return ServiceError.from(error).body.status === 503;
}

/** Who asks may be a stranger: the words of acl and its documents have names and addresses in them. */
function notChecked(error: unknown, isConnected: boolean): ServiceError {
  const { code, status } = ServiceError.from(error).body;
  const message = `the API key cannot be checked: ${isConnected ? whyNot(code) : 'the bus is out of reach'}`;
  return new ServiceError({ code, status, message }, { cause: error });
}

function whyNot(code: string): string {
  if (code === 'BUS_DENIED') return 'the bus does not let acl be asked';
  return code.startsWith('STORE_') ? 'acl does not reach its documents' : 'acl does not answer';
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
