/** A digest of a set of IDs that is kept at each change: the XOR of their SHA-256, whatever their order. */
import { createHash } from 'node:crypto';

/** Starts empty. Adding and removing are the same operation: each ID must be in the set once. */
export class TunnelDigest {
  readonly #sum = Buffer.alloc(32);

  toggle(id: string): void {
    const hash = createHash('sha256').update(id).digest();
    for (let index = 0; index < hash.length; index += 1)
      this.#sum[index] = (this.#sum[index] ?? 0) ^ (hash[index] ?? 0);
  }

  get text(): string {
    return this.#sum.toString('base64url');
  }
}
