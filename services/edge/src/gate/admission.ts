/**
 * How often who may come in, before anything is known of them but their address: one token bucket for each, in a bounded
 * table that forgets the address unheard for longest (which at worst forgives it). An IPv6 caller is its /64.
 */
import { addressGroup, setNewest } from '@postern/share';

/** How many events an address may cause. */
export interface RateLimitOptions {
  perSecond: number;
  /** What may come at once. */
  burst: number;
  addressesMax: number;
}

interface Bucket {
  tokens: number;
  at: number;
}

/** A token bucket per address. `now` is in milliseconds. */
export class RateLimit {
  readonly #options: RateLimitOptions;
  readonly #now: () => number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: RateLimitOptions, now: () => number = () => performance.now()) {
    this.#options = options;
    this.#now = now;
  }

  /** How many addresses are remembered. */
  get size(): number {
    return this.#buckets.size;
  }

  /** Takes one token; false when the address has none left. */
  take(address: string): boolean {
    const key = addressGroup(address);
    const now = this.#now();
    const bucket = this.#refilled(key, now);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  #refilled(key: string, now: number): Bucket {
    const { burst, perSecond, addressesMax } = this.#options;
    const bucket = this.#buckets.get(key) ?? { tokens: burst, at: now };
    bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) * perSecond) / 1000);
    bucket.at = now;
    setNewest(this.#buckets, key, bucket, addressesMax);
    return bucket;
  }
}
