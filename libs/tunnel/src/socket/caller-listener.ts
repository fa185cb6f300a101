/**
 * The port of a destination where callers come, by TCP or UDP. It is its own from when it is made until `close`: one that
 * somebody else has is tried again and again, and told as such meanwhile.
 *
 *     opening ──► listening ──► closed
 *        │ ▲                       ▲
 *        ▼ │ after retryDelay      │
 *      failed ─────────────────────┘
 *
 * One that must not listen there says why from the beginning, and tries nothing.
 */
import type { Socket } from 'node:net';
import { ConnectionListener } from './connection-listener.ts';
import type { Flow, FlowCounts } from './flow.ts';
import { FlowListener } from './flow-listener.ts';

const retryDelayMsMin = 50;
const retryDelayMsMax = 5_000;

/** Where it listens, and who is told. */
export interface CallerListenerParts {
  readonly protocol: 'tcp' | 'udp';
  readonly host: string;
  readonly port: number;
  /** Whether other processes may take callers of the same port. */
  readonly reusePort?: boolean;
  /** Why it must not listen on that port. */
  readonly fault?: NodeJS.ErrnoException | null;
  /** The gateway whose port it is. */
  readonly scope: string;
  /** UDP callers at once. */
  readonly flowsMax: number;
  /** Where datagrams are counted. */
  readonly counts: FlowCounts;
  /** A connection, which is paused and unread. */
  onConnection(socket: Socket): void;
  /** A UDP caller that is not known yet. */
  onFlow(flow: Flow): void;
  /** The same, when there were `flowsMax`. */
  onFull(address: Flow['address']): void;
  /** The system could not accept a connection; it goes on to listen. */
  onNotAccepted(error: NodeJS.ErrnoException): void;
  /** It listens now, or cannot. Told when that is another than before. */
  onState(error: NodeJS.ErrnoException | null): void;
}

/** Listens from when it is made until `close`. */
export class CallerListener {
  readonly #parts: CallerListenerParts;
  #listener: ConnectionListener | FlowListener | null = null;
  #retryTimer: NodeJS.Timeout | undefined;
  #retryDelayMs = retryDelayMsMin;
  #told: NodeJS.ErrnoException | null | undefined;

  constructor(parts: CallerListenerParts) {
    this.#parts = parts;
    if (parts.fault == null) this.#listen();
    else this.#tell(parts.fault);
  }

  get listening(): boolean {
    return this.#listener?.listening === true;
  }

  /** UDP callers that are known. */
  get flows(): number {
    return this.#listener instanceof FlowListener ? this.#listener.size : 0;
  }

  /** Why it does not listen. */
  get error(): NodeJS.ErrnoException | null {
    return this.#told ?? null;
  }

  /** Takes no more callers; those it took go on. Idempotent. */
  close(): void {
    clearTimeout(this.#retryTimer);
    this.#listener?.close();
    this.#listener = null;
    this.#told = null;
  }

  #listen(): void {
    // One that was given up may have news still.
    const isCurrent = (): boolean => this.#listener === listener;
    const parts = {
      ...this.#parts,
      onListening: () => isCurrent() && this.#handleListening(),
      onError: (error: NodeJS.ErrnoException) => isCurrent() && this.#handleError(error),
    };
    const listener: ConnectionListener | FlowListener =
      parts.protocol === 'udp' ? new FlowListener(parts) : new ConnectionListener(parts);
    this.#listener = listener;
  }

  #handleListening(): void {
    this.#retryDelayMs = retryDelayMsMin;
    this.#tell(null);
  }

  #handleError(error: NodeJS.ErrnoException): void {
    this.#listener?.close();
    this.#listener = null;
    this.#retryTimer = setTimeout(() => this.#listen(), this.#retryDelayMs);
    this.#retryDelayMs = Math.min(this.#retryDelayMs * 2, retryDelayMsMax);
    this.#tell(error);
  }

  #tell(error: NodeJS.ErrnoException | null): void {
    const isNews = this.#told === undefined || this.#told?.message !== error?.message;
    this.#told = error;
    if (isNews) this.#parts.onState(error);
  }
}
