/**
 * A subscription that stands until it is closed. The driver lets go of one that the server denies, or takes away when it
 * has read other rights. Nothing tells when it would be allowed again, so it is asked for now and then: rights that are
 * given late, or were taken by mistake, need no restart of the service.
 */
import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import { natsError } from './nats-error.ts';

/** Pause before what was denied is asked for again. */
const againMs = 3_000;

/** What it is made of. */
export interface StandingParts {
  readonly nats: NatsConnection;
  readonly subject: string;
  readonly queue?: string;
  readonly handle: (message: Msg) => void;
  /** Told when it is denied, once until it was allowed. */
  readonly onError: (error: unknown) => void;
}

/** One of them; it asks the server at once. */
export class StandingSubscription {
  readonly #parts: StandingParts;
  #current: Subscription;
  #timer: NodeJS.Timeout | undefined;
  #isDenied = false;
  #closed = false;

  constructor(parts: StandingParts) {
    this.#parts = parts;
    this.#current = this.#subscribe();
  }

  /** Hears no more. */
  unsubscribe(): void {
    this.#close();
    this.#current.unsubscribe();
  }

  /** Resolves when all that was on its way was heard. */
  async drain(): Promise<void> {
    this.#close();
    await this.#current.drain().catch(() => undefined);
  }

  #close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #subscribe(): Subscription {
    const { nats, subject, queue, handle } = this.#parts;
    return nats.subscribe(subject, {
      ...(queue === undefined ? {} : { queue }),
      callback: (error, message) => {
        if (error === null) handle(message);
        else this.#handleDenied(error);
      },
    });
  }

  #handleDenied(error: Error): void {
    if (this.#closed) return;
    const { onError, subject } = this.#parts;
    if (!this.#isDenied) onError(natsError(error, subject));
    this.#isDenied = true;
    this.#timer = setTimeout(() => void this.#askAgain(), againMs).unref();
  }

  async #askAgain(): Promise<void> {
    const { nats } = this.#parts;
    if (nats.isClosed()) return;
    const asked = this.#subscribe();
    this.#current = asked;
    // A server that denies it says so before it answers this.
    await nats.flush().catch(() => undefined);
    if (!asked.isClosed()) this.#isDenied = false;
  }
}
