/**
 * One UDP caller of a listening port: all datagrams between that port and one address and port of a caller are one flow,
 * and one stream. UDP has no end, so a flow ends when it has been silent for long enough, or when its stream is reset.
 * Nothing is resent: what finds no room is dropped and counted.
 */
import type { Socket as DatagramSocket } from 'node:dgram';
import type { CallerEnd } from './caller-end.ts';
import { EarlyDatagrams } from './early-datagrams.ts';
import type { ResetCode } from '../error.ts';
import type { Joined } from './join-socket.ts';
import type { OpeningEvents } from './opening.ts';
import { refuseBytes } from './refuse-bytes.ts';
import type { StreamEnd } from '../stream/stream-end.ts';

/** What waits in the system for a network that does not take it. */
const sendQueueBytesMax = 4_194_304;

/** What is counted of all flows of a port. */
export interface FlowCounts {
  fromCallers: number;
  toCallers: number;
  /** For want of room, of a flow, or of a way; both directions. */
  dropped: number;
}

/** One caller's datagrams. */
export class Flow implements CallerEnd {
  readonly protocol = 'udp';
  readonly address: { readonly address: string; readonly port: number };
  readonly #socket: DatagramSocket;
  readonly #counts: FlowCounts;
  readonly #onOver: () => void;
  readonly #early: EarlyDatagrams;
  readonly #bytes = { fromCaller: 0, toCaller: 0 };
  #stream: StreamEnd | null = null;
  #opened = false;
  #over = false;

  constructor(
    socket: DatagramSocket,
    address: { address: string; port: number },
    scope: string,
    counts: FlowCounts,
    onOver: () => void,
  ) {
    this.#socket = socket;
    this.address = address;
    this.#early = new EarlyDatagrams(scope);
    this.#counts = counts;
    this.#onOver = onOver;
  }

  /** A datagram of this caller has come. */
  receive(payload: Buffer): void {
    if (this.#over) {
      this.#counts.dropped += 1;
      return;
    }
    this.#counts.fromCallers += 1;
    // An empty one counts as a byte: it too says that the caller is there.
    this.#bytes.fromCaller += payload.length || 1;
    const isKept = !this.#opened && this.#early.push(payload);
    if (this.#stream !== null) this.#sendUp(this.#stream, payload);
    else if (!isKept) this.#counts.dropped += 1;
  }

  open(events: OpeningEvents): { carry(stream: StreamEnd): void; close(): void } {
    return {
      carry: (stream) => {
        this.#stream = stream;
        stream.events = {
          onOpened: () => {
            this.#opened = true;
            this.#early.clear();
            events.onOpened(stream);
          },
          onReset: (code, text, from) => {
            this.#leave(stream);
            events.onRefused(code as ResetCode, text, from);
          },
          onDatagram: (payload) => this.#send(payload),
          ...refuseBytes(stream),
        };
        for (const payload of this.#early.items) this.#sendUp(stream, payload);
      },
      close: () => this.#dropEarly(),
    };
  }

  join(stream: StreamEnd): Promise<Joined> {
    const { promise, resolve } = Promise.withResolvers<Joined>();
    const over = (reset: Joined['reset']): void => {
      this.#leave(stream);
      this.reset();
      resolve({ received: this.#bytes.fromCaller, sent: this.#bytes.toCaller, reset });
    };
    stream.events = {
      onDatagram: (payload) => this.#send(payload),
      onReset: (code, text, origin) => over({ code, text, origin }),
      ...refuseBytes(stream),
    };
    return promise;
  }

  bytes(): { fromCaller: number; toCaller: number } {
    return { ...this.#bytes };
  }

  reset(): void {
    if (this.#over) return;
    this.#over = true;
    this.#dropEarly();
    this.#onOver();
  }

  /** Those that nobody has taken. */
  #dropEarly(): void {
    this.#counts.dropped += this.#early.items.length;
    this.#early.clear();
  }

  #sendUp(stream: StreamEnd, payload: Buffer): void {
    this.#counts.dropped += stream.sendDatagram(payload);
  }

  #leave(stream: StreamEnd): void {
    if (this.#stream === stream) this.#stream = null;
  }

  #send(payload: Buffer): void {
    if (this.#over || this.#socket.getSendQueueSize() > sendQueueBytesMax) {
      this.#counts.dropped += 1;
      return;
    }
    this.#counts.toCallers += 1;
    this.#bytes.toCaller += payload.length || 1;
    this.#socket.send(payload, this.address.port, this.address.address, (error) => {
      if (error !== null) this.#counts.dropped += 1;
    });
  }
}
