/**
 * The bus on core NATS. The driver reconnects and subscribes anew by itself; this file adds deadlines that hold
 * while disconnected, subscriptions that outlive a refusal, bounds, error codes, and a close that answers what is being asked.
 * Announcements made while disconnected are dropped here, since the driver would keep them without bound and
 * lose them at the reconnect anyway; so are those that the server is too slow to take (`unflushedBytesMax`).
 */
import { headers, type Msg, type NatsConnection, PermissionViolationError } from '@nats-io/transport-node';
import { Answering, replyError, warnOfError, type OnError } from './answering.ts';
import { BusError, type BusErrorCode } from './bus-error.ts';
import type { Bus, Subscription } from './bus.ts';
import type { BusStats } from './bus-stats.ts';
import { decodeBody, encodeBody, messageBytesMax } from './body.ts';
import { ConnectionState } from './connection-state.ts';
import { destroySocket } from './destroy-socket.ts';
import { natsError } from './nats-error.ts';
import { PendingRequests, type RequestOptions, type Settle } from './pending-requests.ts';
import { Repeats } from './repeats.ts';
import { ReplyInbox } from './reply-inbox.ts';
import { RoundTrip } from './round-trip.ts';
import { StandingSubscription } from './standing-subscription.ts';
import { checkPattern, checkSubject } from './subject.ts';
import { closeMs, within } from './within.ts';

/** Most bytes that may be on their way to the server; more are dropped. */
const unflushedBytesMax = 64 * 1024 * 1024;
/** After so many bytes the server is asked whether it has them. */
const flushEveryBytes = 256 * 1024;
/** How long a server is away before it is asked why, and how long until it is asked again. */
const whyAfterMs = 3_000;
const whyAgainMs = 60_000;
/** The header of a reply that is an error. */
const errorHeader = 'Postern-Error';

/** Tries to connect beside, and tells why that cannot be; null where it can. */
export type WhyNone = () => Promise<BusError | null>;

/** One connection to a NATS server or cluster; made by `connectNats`. */
export class NatsBus implements Bus {
  readonly #nats: NatsConnection;
  readonly #onError: OnError;
  readonly #whyNone: WhyNone;
  readonly #answering: Answering;
  readonly #pending = new PendingRequests();
  readonly #replies: ReplyInbox;
  readonly #connection = new ConnectionState(true);
  readonly #subscriptions = new Set<StandingSubscription>();
  readonly #roundTrip = new RoundTrip();
  readonly #repeats = new Repeats();
  readonly #denied = { publish: 0, subscription: 0 };
  #unflushedBytes = 0;
  #reconnects = 0;
  #flushing = false;
  #whyTimer: NodeJS.Timeout | undefined;
  #closing: Promise<void> | null = null;

  constructor(nats: NatsConnection, inboxPrefix: string, whyNone: WhyNone, onError: OnError = warnOfError) {
    this.#nats = nats;
    this.#whyNone = whyNone;
    this.#replies = new ReplyInbox(nats, inboxPrefix);
    this.#onError = onError;
    this.#answering = new Answering(onError);
    this.#tellLimit();
    this.#measure();
    void this.#follow();
  }

  get connected(): boolean {
    return this.#connection.connected;
  }

  get stats(): BusStats {
    const { inMsgs, outMsgs, inBytes, outBytes } = this.#nats.stats();
    return {
      connected: this.connected,
      reconnects: this.#reconnects,
      roundTripSeconds: this.#roundTrip.seconds,
      denied: this.#denied,
      pending: this.#pending.size,
      outcomes: this.#pending.outcomes,
      messagesIn: inMsgs,
      messagesOut: outMsgs,
      bytesIn: inBytes,
      bytesOut: outBytes,
    };
  }

  request(subject: string, body: unknown, options: RequestOptions): Promise<unknown> {
    return this.#pending.add(subject, options, (settle) => {
      checkSubject(subject);
      const bytes = encodeBody(body, subject);
      let forget = (): void => undefined;
      const giveUp = this.#connection.whenConnected(() => {
        forget = this.#replies.ask(subject, bytes, settle, (reply) => takeReply(reply, subject, settle));
      });
      return () => {
        giveUp();
        forget();
      };
    });
  }

  serve(
    subject: string,
    handler: (body: unknown, subject: string) => Promise<unknown>,
    options: { queue?: string } = {},
  ): Subscription {
    const subscription = this.#subscribe(subject, options, (message) => void this.#answer(message, handler));
    return onlyOnce(() => void this.#drain(subscription));
  }

  publish(subject: string, body: unknown): void {
    checkSubject(subject);
    const bytes = encodeBody(body, subject);
    if (this.connected) this.#send(subject, bytes.length, () => this.#nats.publish(subject, bytes));
  }

  subscribe(subject: string, handler: (body: unknown, subject: string) => void): Subscription {
    const subscription = this.#subscribe(subject, {}, (message) => {
      handler(decodeBody(message.data, message.subject), message.subject);
    });
    return onlyOnce(() => {
      this.#subscriptions.delete(subscription);
      subscription.unsubscribe();
    });
  }

  onConnection(handler: (connected: boolean) => void): Subscription {
    return this.#connection.onChange(handler);
  }

  async flush(deadlineMs: number): Promise<void> {
    await within(deadlineMs, this.#nats.flush());
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearTimeout(this.#whyTimer);
    const subscriptions = [...this.#subscriptions];
    if (this.connected)
      await within(closeMs, Promise.all(subscriptions.map((subscription) => this.#drain(subscription))));
    await within(closeMs, this.#answering.drained());
    if (this.connected) await this.flush(closeMs);
    this.#pending.close();
    await within(closeMs, this.#nats.close());
    destroySocket(this.#nats);
    this.#connection.set(false);
  }

  async #answer(message: Msg, handler: (body: unknown, subject: string) => Promise<unknown>): Promise<void> {
    if (message.reply === undefined) return;
    const answer = await this.#answering.answer(message.subject, message.data, handler);
    if (!this.connected) return;
    if ('bytes' in answer) {
      const failure = this.#send(message.subject, answer.bytes.length, () => message.respond(answer.bytes));
      if (failure?.code === 'BUS_MESSAGE_TOO_LARGE') this.#refuse(message, failure.code);
    } else this.#refuse(message, answer.code);
  }

  #refuse(message: Msg, code: BusErrorCode): void {
    const reason = headers();
    reason.set(errorHeader, code);
    this.#send(message.subject, 0, () => message.respond(undefined, { headers: reason }));
  }

  #subscribe(
    subject: string,
    options: { queue?: string },
    handle: (message: Msg) => void,
  ): StandingSubscription {
    checkPattern(subject);
    if (this.#closing !== null)
      throw new BusError('BUS_CLOSED', `the bus was closed before ${subject} was subscribed to`);
    const subscription = new StandingSubscription({
      nats: this.#nats,
      subject,
      ...options,
      handle: (message) => {
        try {
          handle(message);
        } catch (cause) {
          this.#tellNew(cause);
        }
      },
      onError: this.#onError,
    });
    this.#subscriptions.add(subscription);
    return subscription;
  }

  /** Until it is done the subscription stays known: closing the bus waits for what is still on its way to it. */
  async #drain(subscription: StandingSubscription): Promise<void> {
    await subscription.drain();
    this.#subscriptions.delete(subscription);
  }

  /**
   * Sends unless too much is on its way already; asks the server now and then how far it is. Returns what kept it from it, of
   * which `onError` was told.
   */
  #send(subject: string, bytes: number, send: () => void): BusError | null {
    try {
      if (this.#unflushedBytes + bytes > unflushedBytesMax) {
        throw new BusError('BUS_OVERLOADED', `the server is too slow; a message on ${subject} is lost`);
      }
      this.#unflushedBytes += bytes;
      send();
      if (this.#unflushedBytes > flushEveryBytes && !this.#flushing) void this.#countFlushed();
      return null;
    } catch (error) {
      const failure = natsError(error, subject);
      this.#tellNew(failure);
      return failure;
    }
  }

  async #countFlushed(): Promise<void> {
    const bytes = this.#unflushedBytes;
    this.#flushing = true;
    await this.#nats.flush().catch(() => undefined);
    this.#flushing = false;
    this.#unflushedBytes -= bytes;
  }

  // Of a server that refuses it the driver tells the loss at each try, and the return as often when it comes.
  #handleDisconnect(): void {
    if (!this.connected) return;
    this.#connection.set(false);
    this.#pending.disconnect();
    this.#tellWhyIn(whyAfterMs);
  }

  #tellWhyIn(ms: number): void {
    clearTimeout(this.#whyTimer);
    if (this.#closing === null) this.#whyTimer = setTimeout(() => void this.#tellWhy(), ms).unref();
  }

  /** The driver does not tell why it finds no server again: that its certificate has ended, say. */
  async #tellWhy(): Promise<void> {
    const why = await this.#whyNone();
    if (this.connected || this.#closing !== null) return;
    if (why !== null) this.#onError(why);
    this.#tellWhyIn(whyAgainMs);
  }

  #handleReconnect(): void {
    if (this.connected) return;
    clearTimeout(this.#whyTimer);
    this.#reconnects += 1;
    this.#connection.set(true);
    this.#tellLimit();
    this.#measure();
  }

  /** Said at once, since what is too large for the server may come only when a platform has grown. */
  #tellLimit(): void {
    const bytesMax = this.#nats.info?.max_payload ?? messageBytesMax;
    if (bytesMax >= messageBytesMax) return;
    const limit = `the server takes messages of ${bytesMax} bytes at most (max_payload)`;
    this.#onError(
      new BusError(
        'BUS_MESSAGE_TOO_LARGE',
        `${limit}, and ${messageBytesMax} are needed: longer ones will fail`,
      ),
    );
  }

  #measure(): void {
    void this.#roundTrip.measure(() => this.#nats.flush());
  }

  #handleError(error: Error): void {
    const isQuestion = this.#replies.handleError(error);
    if (error instanceof PermissionViolationError) {
      this.#denied[error.operation] += 1;
      // Of a subscription that is denied the subscription itself tells.
      if (error.operation === 'subscription') return;
    }
    this.#tellNew(natsError(error, isQuestion ? 'question' : 'connection'));
  }

  #tellNew(error: unknown): void {
    if (this.#repeats.isNew(String(error))) this.#onError(error);
  }

  async #follow(): Promise<void> {
    for await (const status of this.#nats.status()) {
      if (status.type === 'disconnect') this.#handleDisconnect();
      if (status.type === 'reconnect') this.#handleReconnect();
      if (status.type === 'error') this.#handleError(status.error);
      if (status.type === 'ping') this.#measure();
      if (status.type === 'staleConnection') destroySocket(this.#nats);
    }
    this.#pending.close();
    this.#connection.set(false);
  }
}

function takeReply(reply: Msg, subject: string, settle: Settle): void {
  const code = reply.headers?.get(errorHeader) ?? '';
  try {
    if (code === '') settle.resolve(decodeBody(reply.data, subject));
    else settle.reject(replyError(code, subject));
  } catch (error) {
    settle.reject(natsError(error, subject));
  }
}

function onlyOnce(close: () => void): Subscription {
  let isOpen = true;
  return {
    close: () => {
      if (isOpen) close();
      isOpen = false;
    },
  };
}
