/**
 * Makes the server's side of handshakes on sockets that somebody else accepted. It never listens; what it was made with
 * is for life, its session tickets too, so whoever has other certificates makes another. A connection has one handshake:
 * those who bound handshakes count connections, and HTTP/2 forbids a second one (RFC 9113, section 9.2.1).
 */
import { constants } from 'node:crypto';
import type { Socket } from 'node:net';
import { type Server, type TLSSocket, type TlsOptions, createServer } from 'node:tls';
import { boundKeyUpdates } from './key-updates.ts';

/** The caller's connection ended in the middle of the handshake, without a fault of TLS. */
export class CallerGone extends Error {}

interface Waiting {
  readonly allowHalfOpen: boolean;
  resolve(socket: TLSSocket): void;
  reject(error: Error): void;
}

/** One set of certificates that callers are accepted with. */
export class TlsAcceptor {
  readonly #server: Server;
  /** Handshakes under way, by the socket below. */
  readonly #waiting = new WeakMap<Socket, Waiting>();

  /** Throws where key and certificates do not belong together. */
  constructor(options: TlsOptions) {
    this.#server = createServer({ ...options, secureOptions: constants.SSL_OP_NO_RENEGOTIATION });
    this.#server.on('secureConnection', (socket) => {
      boundKeyUpdates(socket);
      this.#settle(socket, (one) => {
        socket.allowHalfOpen = one.allowHalfOpen;
        one.resolve(socket);
      });
    });
    this.#server.on('tlsClientError', (error, socket) => {
      this.#settle(socket, (one) => one.reject(error));
    });
  }

  /** Rejects with the error of TLS or `CallerGone`, and the socket is still the caller's to end. Bounds in time are its too. */
  accept(socket: Socket): Promise<TLSSocket> {
    const { allowHalfOpen } = socket;
    // Nobody half-closes in the middle of a handshake: who ends there has gone.
    socket.allowHalfOpen = false;
    return new Promise((resolve, reject) => {
      this.#waiting.set(socket, { allowHalfOpen, resolve, reject });
      socket.once('close', () => this.#waiting.get(socket)?.reject(new CallerGone()));
      this.#server.emit('connection', socket);
    });
  }

  #settle(socket: TLSSocket, settle: (one: Waiting) => void): void {
    // What a dying socket still says has been told already, or is its next owner's to hear.
    socket.on('error', () => {});
    const { _parent: below } = socket as TLSSocket & { _parent?: Socket };
    const waiting = below === undefined ? undefined : this.#waiting.get(below);
    if (below === undefined || waiting === undefined) {
      socket.destroy();
      return;
    }
    this.#waiting.delete(below);
    settle(waiting);
  }
}

/** The name that the caller asked for, in lower case and without a dot at its end, as names are compared; null where it asked for none. */
export function serverNameOf(socket: TLSSocket): string | null {
  const { servername } = socket as TLSSocket & { servername?: unknown };
  if (typeof servername !== 'string' || servername === '') return null;
  return servername.toLowerCase().replace(/\.$/, '');
}
