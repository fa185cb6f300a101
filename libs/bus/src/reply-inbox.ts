/**
 * Where the replies to one connection arrive: below a subject of its own, each under a token of 128 random bits. Knowing
 * that token is the right to answer, and only who was asked and the server know it: servers let a service that answers
 * publish below the inboxes of those who ask it. The driver's own tokens are of `Math.random`, so whoever has been asked
 * a few times could tell the next ones, and answer what others are asked.
 */
import { randomBytes } from 'node:crypto';
import {
  type Msg,
  type NatsConnection,
  NoRespondersError,
  PermissionViolationError,
} from '@nats-io/transport-node';
import { natsError } from './nats-error.ts';
import type { Settle } from './pending-requests.ts';

interface Waiting {
  readonly subject: string;
  readonly take: (message: Msg) => void;
  readonly settle: Settle;
}

/** The inbox of one connection. */
export class ReplyInbox {
  readonly #nats: NatsConnection;
  readonly #subject: string;
  readonly #waiting = new Map<string, Waiting>();
  #isOpen = false;

  /** `prefix` is what the server lets this service hear. */
  constructor(nats: NatsConnection, prefix: string) {
    this.#nats = nats;
    this.#subject = `${prefix}.${randomToken()}`;
  }

  /** Sends a question; `take` is given its reply. Returns what forgets it. */
  ask(subject: string, bytes: Uint8Array, settle: Settle, take: (message: Msg) => void): () => void {
    const token = randomToken();
    this.#waiting.set(token, { subject, take, settle });
    settle.isSent = true;
    try {
      if (!this.#isOpen) this.#open();
      this.#nats.publish(subject, bytes, { reply: `${this.#subject}.${token}` });
    } catch (error) {
      this.#waiting.delete(token);
      settle.reject(natsError(error, subject));
    }
    return () => void this.#waiting.delete(token);
  }

  /** The server does not let a question through; it does not say which of several on one subject. Returns whether it was one. */
  handleError(error: unknown): boolean {
    if (!(error instanceof PermissionViolationError) || error.operation !== 'publish') return false;
    const denied = [...this.#waiting.values()].find(({ subject }) => subject === error.subject);
    denied?.settle.reject(natsError(error, error.subject));
    return denied !== undefined;
  }

  #open(): void {
    this.#nats.subscribe(`${this.#subject}.*`, {
      callback: (error, message) => {
        if (error === null) this.#handleReply(message);
        else this.#handleDenied(error);
      },
    });
    this.#isOpen = true;
  }

  #handleReply(message: Msg): void {
    const waiting = this.#waiting.get(message.subject.slice(this.#subject.length + 1));
    if (waiting === undefined) return;
    if (message.data.length > 0 || message.headers?.code !== 503) waiting.take(message);
    else waiting.settle.reject(natsError(new NoRespondersError(waiting.subject), waiting.subject));
  }

  /** Nothing can be heard here; the next question tries again. */
  #handleDenied(error: Error): void {
    this.#isOpen = false;
    for (const { subject, settle } of this.#waiting.values()) settle.reject(natsError(error, subject));
  }
}

function randomToken(): string {
  return randomBytes(16).toString('base64url');
}
