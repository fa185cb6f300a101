/**
 * A caller as those see it who open a stream for it: a TCP connection or a UDP flow. From judging to the end the same
 * is done for both; what differs is here.
 *
 *     open ──carry(stream)──► opened ──► join(stream) ──► over
 *               └── refused: carry(the next stream), or reset
 */
import type { Socket } from 'node:net';
import { joinSocket, resetSocket, type Joined } from './join-socket.ts';
import { Opening, type OpeningEvents } from './opening.ts';
import type { StreamEnd } from '../stream/stream-end.ts';

/** One caller's end. */
export interface CallerEnd {
  readonly protocol: 'tcp' | 'udp';
  readonly address: { readonly address: string; readonly port: number };
  /** Carries what comes before a stream is taken, over one stream after the other. */
  open(events: OpeningEvents): Pick<Opening, 'carry' | 'close'>;
  /** Pumps both ways once a stream is taken; resolves when that is over. */
  join(stream: StreamEnd): Promise<Joined>;
  /** Bytes that the caller sent, and got. */
  bytes(stream: StreamEnd | null): { fromCaller: number; toCaller: number };
  /** Ends it so that the caller notices where it can. Idempotent. */
  reset(): void;
}

/**
 * The end of a caller's TCP connection. A class, as a literal with a getter has a hidden class of its own, which lies in old
 * memory and holds what the getter knows.
 */
export class SocketEnd implements CallerEnd {
  readonly protocol = 'tcp';
  readonly #socket: Socket;
  readonly #first: readonly Buffer[];

  /** The socket is paused; `first` goes before what will be read from it. */
  constructor(socket: Socket, first: readonly Buffer[] = []) {
    this.#socket = socket;
    this.#first = first;
  }

  get address(): { address: string; port: number } {
    const { remoteAddress = '', remotePort = 0 } = this.#socket;
    return { address: remoteAddress, port: remotePort };
  }

  open(events: OpeningEvents): Opening {
    return new Opening(this.#socket, events, this.#first);
  }

  join(stream: StreamEnd): Promise<Joined> {
    return joinSocket(stream, this.#socket);
  }

  bytes(stream: StreamEnd | null): { fromCaller: number; toCaller: number } {
    return { fromCaller: stream?.bytesSent ?? 0, toCaller: stream?.bytesReceived ?? 0 };
  }

  reset(): void {
    resetSocket(this.#socket);
  }
}
