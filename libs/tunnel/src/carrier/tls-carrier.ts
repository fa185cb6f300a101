/**
 * A carrier over a TLS connection (node:tls). Thin: the session gives one buffer at a time and waits for `done`,
 * which Node calls when the encrypted bytes are with the system, so little is queued here.
 */
import type { TLSSocket } from 'node:tls';
import type { Carrier, CarrierEvents } from './carrier.ts';
import { Slab } from '../memory/slab.ts';
import { carrierReads, readTls } from '../socket/socket-reader.ts';

/** How long an ended connection may take to say goodbye before it is cut. */
const goodbyeMs = 2_000;

/** Takes over a TLS connection whose handshake is done. */
export function tlsCarrier(socket: TLSSocket): Carrier {
  return new TlsCarrier(socket);
}

class TlsCarrier implements Carrier {
  readonly transport = 'direct';
  readonly remoteAddress: string;
  readonly #socket: TLSSocket;

  constructor(socket: TLSSocket) {
    this.#socket = socket;
    this.remoteAddress = `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? 0}`;
    socket.setNoDelay(true);
    socket.setTimeout(0);
  }

  start(events: CarrierEvents): void {
    let failure: Error | null = null;
    this.#socket.on('error', (error) => {
      failure = error;
    });
    this.#socket.on('close', () => events.handleClose(failure));
    this.#socket.on('end', () => this.#socket.destroy());
    const handleRead = (bytes: Buffer, slab: Slab | null): boolean => {
      // What little is read lies in memory that the next read fills again, whoever's it is.
      const from = slab ?? Slab.common(bytes.length);
      events.handleBytes(slab === null ? from.copy(bytes) : bytes, from);
      from.release();
      return true;
    };
    readTls(this.#socket, handleRead, carrierReads);
    this.#socket.on('data', (chunk: Buffer) => events.handleBytes(chunk, null));
    if (this.#socket.destroyed) queueMicrotask(() => events.handleClose(failure));
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  write(bytes: Buffer, done: () => void): void {
    this.#socket.write(bytes, (error) => {
      if (!error) done();
    });
  }

  end(last: Buffer): void {
    this.#socket.end(last);
    setTimeout(() => this.destroy(), goodbyeMs).unref();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
