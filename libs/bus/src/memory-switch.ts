/**
 * What in-process connections meet on, as NATS connections meet on a server: it keeps who listens and hands
 * messages over in the order in which they were sent, always in a later turn of the event loop.
 * At most `queuedMessagesMax` wait for that turn.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { matchesSubject } from './subject.ts';

/** Most messages that may wait for the next turn. */
export const queuedMessagesMax = 16_384;

/** A message on its way. `reply` is there when somebody waits for an answer. */
export interface Message {
  subject: string;
  bytes: Uint8Array;
  reply?: (bytes: Uint8Array | { code: string }) => void;
}

/** One subscription of one connection. */
export interface Listener {
  pattern: string;
  queue: string | null;
  /** What is on its way when it is removed still arrives. */
  drains: boolean;
  deliver: (message: Message) => void;
}

/** Joins the connections of one hub. */
export class MemorySwitch {
  readonly #listeners = new Set<Listener>();
  readonly #queue: (() => void)[] = [];
  /** Handlers run in the context in which the hub was made, not in that of whoever sent first in this turn. */
  readonly #outside = AsyncLocalStorage.snapshot();
  #turns = 0;

  add(listener: Listener): void {
    this.#listeners.add(listener);
  }

  remove(listener: Listener): void {
    this.#listeners.delete(listener);
  }

  /** Hands the message to all who listen and to one member of each queue group; false when that is nobody. */
  send(message: Message): boolean {
    const receivers = this.#receivers(message.subject);
    for (const listener of receivers) {
      this.enqueue(() => (listener.drains || this.#listeners.has(listener)) && listener.deliver(message));
    }
    return receivers.length > 0;
  }

  /** Whether another message may be sent in this turn. */
  get full(): boolean {
    return this.#queue.length >= queuedMessagesMax;
  }

  /** Runs `work` after everything that was sent before it. */
  enqueue(work: () => void): void {
    if (this.#queue.push(work) === 1) setImmediate(() => this.#outside(() => this.#drain()));
  }

  #receivers(subject: string): Listener[] {
    const matching = [...this.#listeners].filter((listener) => matchesSubject(listener.pattern, subject));
    const groups = Map.groupBy(matching, (listener) => listener.queue);
    const receivers = groups.get(null) ?? [];
    this.#turns += 1;
    for (const [queue, members] of groups) {
      const chosen = queue === null ? undefined : members[this.#turns % members.length];
      if (chosen !== undefined) receivers.push(chosen);
    }
    return receivers;
  }

  #drain(): void {
    const due = this.#queue.splice(0);
    for (const work of due) work();
  }
}
