/** One at a time, in the order of asking; at most `turnsWaitingMax` wait. */
import { StoreError } from './store-error.ts';

/** Most operations that may wait for their turn. */
export const turnsWaitingMax = 10_000;

/** Lets one piece of work run at a time. */
export class TurnQueue {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** Runs `work` when all before it are done. */
  async run<R>(work: () => R | Promise<R>): Promise<R> {
    if (this.#waiting >= turnsWaitingMax) {
      throw new StoreError('STORE_OVERLOADED', `${turnsWaitingMax} operations wait for the store already`);
    }
    this.#waiting += 1;
    const turn = this.#last.then(work).finally(() => (this.#waiting -= 1));
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}
