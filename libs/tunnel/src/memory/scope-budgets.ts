/**
 * One budget for the streams of all gateways, of which those of one have a share at most. A gateway's is there while it
 * has a user, and longer where a stream without a path holds some of it: else it would have another beside it.
 */
import { Budget } from './budget.ts';

interface Share {
  readonly budget: Budget;
  users: number;
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

  /** The budget of a gateway. */
  of(scope: string): Budget {
    return this.#share(scope).budget;
  }

  /** A gateway has one more user: a stream, or a session. */
  enter(scope: string): void {
    this.#share(scope).users += 1;
  }

  /** And one less. */
  leave(scope: string): void {
    const share = this.#share(scope);
    share.users -= 1;
    if (share.users <= 0 && share.budget.used === 0) this.#shares.delete(scope);
  }

  #share(scope: string): Share {
    const known = this.#shares.get(scope);
    if (known !== undefined) return known;
    const share = { budget: new Budget(this.#perScopeMax, this.all), users: 0 };
    this.#shares.set(scope, share);
    return share;
  }
}
