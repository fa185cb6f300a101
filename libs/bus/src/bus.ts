/**
 * The bus: questions, answers and announcements between services. JSON bodies, at most `messageBytesMax`.
 * Two implementations (NATS, in-process) pass one conformance suite (`bus.case.test.ts`).
 * Bytes of streams never cross it, and nothing is kept: a message sent while the connection is down is lost,
 * so every state is found again by revision or snapshot.
 */

/** A standing subscription or service. Closing twice is harmless. */
export interface Subscription {
  close(): void;
}

/** What every implementation gives. */
export interface Bus {
  /** Whether the bus can be reached now. In-process: until closed. */
  readonly connected: boolean;
  /**
   * Asks and waits. Rejects with `BusError`: `BUS_TIMEOUT` after `deadlineMs`, `BUS_NO_RESPONDER` at once when nobody
   * serves the subject, `BUS_DISCONNECTED` when the connection is lost after it was sent (it may have been carried
   * out), `BUS_CLOSED`, `BUS_MESSAGE_TOO_LARGE`, `BUS_OVERLOADED`, `BUS_HANDLER_FAILED`, `BUS_ABORTED` by `signal`.
   * What is asked while disconnected waits within its deadline.
   */
  request(
    subject: string,
    body: unknown,
    options: { deadlineMs: number; signal?: AbortSignal },
  ): Promise<unknown>;
  /**
   * Serves a subject or a pattern; within one `queue` group a question goes to one member. What the handler returns is the
   * reply; it is told at which subject it was asked.
   * Questions that were on their way when it is closed are still answered.
   */
  serve(
    subject: string,
    handler: (body: unknown, subject: string) => Promise<unknown>,
    options?: { queue?: string },
  ): Subscription;
  /** Announces; never throws for want of a connection. */
  publish(subject: string, body: unknown): void;
  /** Listens. `*` stands for one token of the subject and `>` for the rest, as in NATS. */
  subscribe(subject: string, handler: (body: unknown, subject: string) => void): Subscription;
  /** Calls back on each change of `connected`. */
  onConnection(handler: (connected: boolean) => void): Subscription;
  /** Resolves when everything sent so far has reached the server, or after `deadlineMs`. */
  flush(deadlineMs: number): Promise<void>;
  /** Answers what is being served, sends what is queued, and ends. */
  close(): Promise<void>;
}
