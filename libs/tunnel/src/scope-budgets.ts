/**
 * One budget for the streams of all gateways, of which those of one have a share at most. A gateway's is there while it
 * has a stream.
 */
import { Budget } from './budget.ts';

interface Share {
  readonly budget: Budget;
  streams: number;
}

/** One per endpoint. */
export class ScopeBudgets {
  readonly all: Budget;
  readonly #perScopeMax: number;
  readonly #shares = new Map<string, Share>();

  constructor(bytesMax: number, perScopeMax: number) {
    this.all = new Budget(bytesMax);
    this.#perScopeMax = perScopeMax;
  }

  /** The budget of a gateway's streams. */
  of(scope: string): Budget {
    return this.#share(scope).budget;
  }

  /** A gateway has one more stream. */
  enter(scope: string): void {
    this.#share(scope).streams += 1;
  }

  /** And one less, which has given back what it took. */
  leave(scope: string): void {
    const share = this.#share(scope);
    share.streams -= 1;
    if (share.streams <= 0) this.#shares.delete(scope);
  }

  #share(scope: string): Share {
    const known = this.#shares.get(scope);
    if (known !== undefined) return known;
    const share = { budget: new Budget(this.#perScopeMax, this.all), streams: 0 };
    this.#shares.set(scope, share);
    return share;
  }
}
