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

  /** The same, unless its turn does not come within `waitMsMax`: then it is refused and never run, since nobody waits for it. */
  async runSoon<R>(work: () => R | Promise<R>, waitMsMax: number): Promise<R> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    let refusal: StoreError | null = null;
    const timer = setTimeout(() => {
      const message = `those that were asked for before took ${waitMsMax} ms; nothing was done`;
      refusal = new StoreError('STORE_OVERLOADED', message);
      reject(refusal);
    }, waitMsMax);
    const turn = this.run(() => {
      clearTimeout(timer);
      if (refusal !== null) throw refusal;
      return work();
    });
    try {
      return await Promise.race([turn, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Longest that a change waits for those before it: a little less than whoever asked for it waits for an answer. */
export const changeWaitMsMax = 4_000;
