/**
 * The bus within one process. It behaves as NATS does where a service could tell: bodies are copied through
 * JSON, handlers run in a later turn, the same bounds and errors hold, a question is also seen by those who
 * merely listen, and what is announced while the connection is cut is lost.
 */
import { Answering, replyError, warnOfError, type OnError } from './answering.ts';
import { BusError } from './bus-error.ts';
import type { Bus, Subscription } from './bus.ts';
import { decodeBody, encodeBody } from './body.ts';
import { ConnectionState } from './connection-state.ts';
import type { Listener, MemorySwitch, Message } from './memory-switch.ts';
import { PendingRequests, type RequestOptions } from './pending-requests.ts';
import { checkPattern, checkSubject } from './subject.ts';
import { closeMs, within } from './within.ts';

/** One in-process connection; made by `MemoryHub.connect` or `memoryBus`. */
export class MemoryBus implements Bus {
  readonly #switch: MemorySwitch;
  readonly #onError: OnError;
  readonly #answering: Answering;
  readonly #pending = new PendingRequests();
  readonly #listeners = new Set<Listener>();
  readonly #connection = new ConnectionState(true);
  #closed = false;

  constructor(joined: MemorySwitch, options: { onError?: OnError }) {
    this.#switch = joined;
    this.#onError = options.onError ?? warnOfError;
    this.#answering = new Answering(this.#onError);
  }

  get connected(): boolean {
    return this.#connection.connected;
  }

  request(subject: string, body: unknown, options: RequestOptions): Promise<unknown> {
    return this.#pending.add(subject, options, (settle) => {
      checkSubject(subject);
      const bytes = encodeBody(body, subject);
      const reply: Message['reply'] = (answer) =>
        this.#switch.enqueue(() => {
          if (!this.connected) return;
          if ('code' in answer) settle.reject(replyError(answer.code, subject));
          else settle.resolve(decodeBody(answer, subject));
        });
      return this.#connection.whenConnected(() => {
        if (this.#switch.full)
          settle.reject(
            new BusError('BUS_OVERLOADED', `too many messages at once; ${subject} was not asked`),
          );
        else if (this.#switch.send({ subject, bytes, reply })) settle.isSent = true;
        else {
          this.#switch.enqueue(() =>
            settle.reject(new BusError('BUS_NO_RESPONDER', `nobody serves ${subject}`)),
          );
        }
      });
    });
  }

  serve(
    subject: string,
    handler: (body: unknown, subject: string) => Promise<unknown>,
    options: { queue?: string } = {},
  ): Subscription {
    checkPattern(subject);
    return this.#listen({
      pattern: subject,
      queue: options.queue ?? null,
      drains: true,
      deliver: (message) => void this.#answer(message, handler),
    });
  }

  publish(subject: string, body: unknown): void {
    checkSubject(subject);
    const bytes = encodeBody(body, subject);
    if (!this.connected) return;
    if (this.#switch.full)
      this.#onError(new BusError('BUS_OVERLOADED', `too many messages at once; one on ${subject} is lost`));
    else this.#switch.send({ subject, bytes });
  }

  subscribe(subject: string, handler: (body: unknown, subject: string) => void): Subscription {
    checkPattern(subject);
    const deliver = (message: Message): void => {
      try {
        handler(decodeBody(message.bytes, message.subject), message.subject);
      } catch (error) {
        this.#onError(error);
      }
    };
    return this.#listen({ pattern: subject, queue: null, drains: false, deliver });
  }

  onConnection(handler: (connected: boolean) => void): Subscription {
    return this.#connection.onChange(handler);
  }

  flush(): Promise<void> {
    return new Promise((resolve) => this.#switch.enqueue(resolve));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.flush();
    for (const listener of this.#listeners) this.#switch.remove(listener);
    await within(closeMs, this.#answering.drained());
    await this.flush();
    this.#pending.close();
    this.#connection.set(false);
  }

  /** As if the server were out of reach; for tests of what goes on without a bus. */
  cut(): void {
    this.#connection.set(false);
    this.#pending.disconnect();
  }

  /** As if the server were back. */
  restore(): void {
    if (!this.#closed) this.#connection.set(true);
  }

  #listen(wanted: Listener): Subscription {
    if (this.#closed)
      throw new BusError('BUS_CLOSED', `the bus was closed before ${wanted.pattern} was subscribed to`);
    const listener = { ...wanted, deliver: (message: Message) => this.connected && wanted.deliver(message) };
    this.#listeners.add(listener);
    this.#switch.add(listener);
    return {
      close: () => {
        this.#listeners.delete(listener);
        this.#switch.remove(listener);
      },
    };
  }

  async #answer(
    message: Message,
    handler: (body: unknown, subject: string) => Promise<unknown>,
  ): Promise<void> {
    if (message.reply === undefined) return;
    const answer = await this.#answering.answer(message.subject, message.bytes, handler);
    if (this.connected) message.reply('bytes' in answer ? answer.bytes : answer);
  }
}
