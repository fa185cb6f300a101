/**
 * The requests that wait for their reply: each ends once, by its reply, its deadline, its signal or the end of
 * the bus, and there are never more than `pendingRequestsMax`. Knows nothing of how a request travels.
 */
import assert from 'node:assert/strict';
import { BusError } from './bus-error.ts';

/** Most requests of one connection that wait at the same time. */
export const pendingRequestsMax = 4096;

/** How long a request may wait, and what may end it early. */
export interface RequestOptions {
  deadlineMs: number;
  signal?: AbortSignal;
}

/** How a request ends; calls after the first are passed over. */
export interface Settle {
  /** Set by whoever has sent the question: its reply is lost with the connection. */
  isSent: boolean;
  resolve: (body: unknown) => void;
  reject: (error: BusError) => void;
}

/** The requests of one connection. */
export class PendingRequests {
  /** How requests ended since the start: `ok`, or the code of a `BusError`. */
  readonly outcomes = new Map<string, number>();
  readonly #pending = new Set<Settle>();
  #closed = false;

  get size(): number {
    return this.#pending.size;
  }

  /** Runs `start` and waits for what it settles. What `start` throws rejects, too; what it returns runs at the end. */
  add(subject: string, options: RequestOptions, start: (settle: Settle) => () => void): Promise<unknown> {
    assert(options.deadlineMs > 0 && options.deadlineMs < 2 ** 31, 'a request has a deadline');
    const refusal = this.#refusal(subject, options.signal);
    if (refusal !== null) {
      this.#count(refusal.code);
      return Promise.reject(refusal);
    }
    return new Promise((resolve, reject) => {
      let cleanUp: (() => void) | undefined;
      const finish = (): boolean => {
        if (!this.#pending.delete(settle)) return false;
        clearTimeout(timer);
        options.signal?.removeEventListener('abort', onAbort);
        cleanUp?.();
        return true;
      };
      const settle: Settle = {
        isSent: false,
        resolve: (body) => {
          if (!finish()) return;
          this.#count('ok');
          resolve(body);
        },
        reject: (error) => {
          if (!finish()) return;
          this.#count(error.code);
          reject(error);
        },
      };
      const onAbort = (): void => settle.reject(aborted(subject, options.signal));
      const timer = setTimeout(() => {
        settle.reject(
          new BusError('BUS_TIMEOUT', `no reply from ${subject} within ${Math.round(options.deadlineMs)} ms`),
        );
      }, options.deadlineMs);
      options.signal?.addEventListener('abort', onAbort);
      this.#pending.add(settle);
      try {
        cleanUp = start(settle);
      } catch (error) {
        if (error instanceof BusError) settle.reject(error);
        else if (finish()) reject(error);
      }
    });
  }

  #refusal(subject: string, signal: AbortSignal | undefined): BusError | null {
    if (this.#closed) return new BusError('BUS_CLOSED', `the bus was closed before ${subject} was asked`);
    if (signal?.aborted === true) return aborted(subject, signal);
    if (this.#pending.size < pendingRequestsMax) return null;
    const message = `${pendingRequestsMax} requests wait already; ${subject} was not asked`;
    return new BusError('BUS_OVERLOADED', message);
  }

  #count(outcome: string): void {
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
  }

  /** Rejects those whose reply was lost with the connection; the others are sent when it is back. */
  disconnect(): void {
    for (const settle of this.#pending) {
      if (!settle.isSent) continue;
      settle.reject(new BusError('BUS_DISCONNECTED', 'the connection was lost before the reply came'));
    }
  }

  /** Rejects all that wait, and all that come. */
  close(): void {
    this.#closed = true;
    for (const settle of this.#pending) {
      settle.reject(new BusError('BUS_CLOSED', 'the bus was closed before the reply came'));
    }
  }
}

function aborted(subject: string, signal: AbortSignal | undefined): BusError {
  return new BusError('BUS_ABORTED', `the request to ${subject} was given up`, { cause: signal?.reason });
}
