/**
 * A UDP port that takes callers: sorts what comes into flows, one for each address and port, within a bound. Beyond it a
 * caller that is not known yet is dropped and told of, so that a flood of forged addresses takes nothing from those who
 * are there.
 */
import { createSocket, type RemoteInfo, type Socket as DatagramSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { Flow, type FlowCounts } from './flow.ts';

/** What the system keeps for us while this process is busy; it may give less. */
const receiveBufferBytes = 4_194_304;

/** Where it listens, and who is told. */
export interface FlowListenerParts {
  readonly host: string;
  readonly port: number;
  /** Whether other processes may take callers of the same port; each caller stays with one while all are there. */
  readonly reusePort?: boolean;
  /** The gateway whose port it is. */
  readonly scope: string;
  readonly flowsMax: number;
  readonly counts: FlowCounts;
  /** A caller that is not known yet; its first datagram follows at once. */
  onFlow(flow: Flow): void;
  /** A caller that is not known yet came when there were `flowsMax`. */
  onFull(address: { address: string; port: number }): void;
  onListening(): void;
  /** It cannot listen, or no longer; it is closed then. */
  onError(error: NodeJS.ErrnoException): void;
}

/** Listens from when it is made until `close` or an error. */
export class FlowListener {
  readonly #parts: FlowListenerParts;
  readonly #socket: DatagramSocket;
  readonly #flows = new Map<string, Flow>();
  #listening = false;
  #closed = false;

  constructor(parts: FlowListenerParts) {
    this.#parts = parts;
    const type = isIPv6(parts.host) ? 'udp6' : 'udp4';
    this.#socket = createSocket({
      type,
      recvBufferSize: receiveBufferBytes,
      reusePort: parts.reusePort === true,
    });
    this.#socket.on('message', (payload, from) => this.#handleMessage(payload, from));
    this.#socket.on('error', (error) => this.#handleError(error));
    this.#socket.on('listening', () => {
      this.#listening = true;
      parts.onListening();
    });
    this.#socket.bind({ address: parts.host, port: parts.port, exclusive: true });
  }

  get listening(): boolean {
    return this.#listening && !this.#closed;
  }

  /** Flows that are known. */
  get size(): number {
    return this.#flows.size;
  }

  /** Takes no more callers, and lets go of the port when the last flow has gone. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#closeWhenIdle();
  }

  #handleMessage(payload: Buffer, { address, port }: RemoteInfo): void {
    // Linux hands such a datagram on, and nothing can be sent back.
    if (port === 0) {
      this.#parts.counts.dropped += 1;
      return;
    }
    const key = `${address} ${port}`;
    let flow = this.#flows.get(key);
    if (flow === undefined) {
      flow = this.#makeFlow(key, address, port) ?? undefined;
      if (flow === undefined) return;
    }
    flow.receive(payload);
  }

  #makeFlow(key: string, address: string, port: number): Flow | null {
    if (this.#closed || this.#flows.size >= this.#parts.flowsMax) {
      this.#parts.counts.dropped += 1;
      if (!this.#closed) this.#parts.onFull({ address, port });
      return null;
    }
    const flow = new Flow(this.#socket, { address, port }, this.#parts.scope, this.#parts.counts, () => {
      if (this.#flows.get(key) === flow) this.#flows.delete(key);
      if (this.#closed) this.#closeWhenIdle();
    });
    this.#flows.set(key, flow);
    this.#parts.onFlow(flow);
    return flow;
  }

  #handleError(error: NodeJS.ErrnoException): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const flow of this.#flows.values()) flow.reset();
    this.#closeWhenIdle();
    this.#parts.onError(error);
  }

  #closeWhenIdle(): void {
    if (this.#flows.size > 0) return;
    this.#socket.removeAllListeners('message');
    try {
      this.#socket.close();
    } catch {
      // Closed already.
    }
  }
}
