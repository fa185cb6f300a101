/**
 * TLS with the callers of a cloud destination, ended by the client: the pair and the client CAs are the destination's,
 * from certstore, in memory only. They are asked for at each handshake, so the next one takes what was replaced; what is
 * open stays. Handshakes are bounded in number and time: of too many the oldest goes.
 *
 *     accept ──certificates──► handshake ──► caller's certificate ──► socket
 *        └── 10 s, or too many ──┴───────────────┴──► CallerTlsFault, in plain words
 */
import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { CloudDestination, CloudListenerTls } from '@postern/contracts';
import { type MaterialSource, type TlsMaterial, errorText } from '@postern/dial';
import {
  CallerGone,
  TlsAcceptor,
  callerCertificateFault,
  callerHandshakeFault,
  contextOptions,
} from '@postern/tls/accept';
import type { CloudCause } from './cause.ts';

/** How long a caller may take for its handshake. */
export const handshakeMs = 10_000;
/** How many handshakes of one gateway's callers may be under way. */
export const handshakesMax = 256;

/** A caller was not let in; null when it went away by itself. */
export class CallerTlsFault extends Error {
  override readonly cause: CloudCause | null;

  constructor(cause: CloudCause | null) {
    super(cause?.text ?? 'the caller went away');
    this.cause = cause;
  }
}

/** The handshakes that are under way at all listeners of a gateway. */
export class Handshakes {
  readonly #running = new Set<AbortController>();

  get size(): number {
    return this.#running.size;
  }

  /** Runs one within the bounds; rejects with `CallerTlsFault` where it hits one. */
  async run<Result>(handshake: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    if (this.#running.size >= handshakesMax) {
      const [oldest] = this.#running;
      oldest?.abort(fault('CLIENT_CALLER_TLS', `${handshakesMax} other callers began a handshake meanwhile`));
    }
    const abort = new AbortController();
    const text = `the caller did not end its TLS handshake within ${handshakeMs / 1000} s`;
    const timer = setTimeout(() => abort.abort(fault('CLIENT_CALLER_TLS', text)), handshakeMs);
    abort.signal.addEventListener('abort', () => this.#running.delete(abort), { once: true });
    this.#running.add(abort);
    try {
      return await handshake(abort.signal);
    } finally {
      clearTimeout(timer);
      this.#running.delete(abort);
    }
  }
}

/** As node calls it where it notices first. */
const gone = Object.assign(new Error('the caller went away'), { code: 'ECONNRESET' });

/** What it needs of the gateway's client. */
export interface ListenerTlsParts {
  readonly material: MaterialSource;
  readonly handshakes: Handshakes;
}

interface Made {
  readonly key: string;
  readonly acceptor: TlsAcceptor;
  readonly notAfter: string;
}

/** One for each listener that speaks TLS. */
export class ListenerTls {
  readonly #destinationId: string;
  readonly #speaksHttp: boolean;
  readonly #tls: CloudListenerTls;
  readonly #parts: ListenerTlsParts;
  #made: Made | null = null;

  constructor({ id, protocol }: CloudDestination, tls: CloudListenerTls, parts: ListenerTlsParts) {
    this.#destinationId = id;
    this.#speaksHttp = protocol === 'http';
    this.#tls = tls;
    this.#parts = parts;
  }

  /** Rejects with `CallerTlsFault`, and the socket is destroyed. */
  async accept(socket: Socket): Promise<TLSSocket> {
    socket.on('error', () => {});
    try {
      return await this.#parts.handshakes.run(async (signal) => {
        signal.addEventListener('abort', () => socket.destroy(), { once: true });
        try {
          return await this.#handshake(socket, signal);
        } catch (error) {
          throw signal.aborted ? signal.reason : error;
        }
      });
    } catch (error) {
      socket.destroy();
      throw error;
    }
  }

  async #handshake(socket: Socket, signal: AbortSignal): Promise<TLSSocket> {
    const { acceptor, notAfter } = await this.#acceptor(signal);
    if (socket.destroyed) throw new CallerTlsFault(null);
    let secured: TLSSocket;
    try {
      secured = await acceptor.accept(socket);
    } catch (error) {
      // Who sent nothing only looked whether anybody listens.
      if (error instanceof CallerGone && socket.bytesRead === 0) throw new CallerTlsFault(null);
      const known = error instanceof CallerGone ? gone : (error as Error);
      throw fault('CLIENT_CALLER_TLS', callerHandshakeFault(known, 'listener', notAfter));
    }
    const why = this.#tls.clientCaIds.length === 0 ? null : callerCertificateFault(secured, 'listener');
    if (why !== null) throw fault('CLIENT_CALLER_CERTIFICATE', why);
    return secured;
  }

  async #acceptor(signal: AbortSignal): Promise<Made> {
    const { certificateId, clientCaIds } = this.#tls;
    let found: readonly TlsMaterial[];
    try {
      found = await this.#parts.material([certificateId, ...clientCaIds], signal);
    } catch (error) {
      throw unfit(`the client has not got the listener's certificates: ${errorText(error)}`);
    }
    const key = JSON.stringify(found.map(({ id, revision }) => [id, revision]));
    if (this.#made?.key === key) return this.#made;
    const [pair, ...cas] = found;
    if (pair?.keyPem == null) throw unfit(`the listener's certificate ${certificateId} has no private key`);
    const { chainPem, keyPem, notAfter } = pair;
    try {
      const acceptor = new TlsAcceptor({
        ...contextOptions({ chainPem, keyPem }),
        sessionIdContext: createHash('sha256').update(this.#destinationId).digest('hex').slice(0, 32),
        // HTTP is what the client itself speaks there; of any other protocol it knows nothing to agree on.
        ...(this.#speaksHttp ? { ALPNProtocols: ['h2', 'http/1.1'] } : {}),
        ...(cas.length === 0
          ? {}
          : { requestCert: true, rejectUnauthorized: false, ca: cas.map((ca) => ca.chainPem) }),
      });
      this.#made = { key, acceptor, notAfter };
      return this.#made;
    } catch (error) {
      throw unfit(`the listener's certificates cannot be used together: ${errorText(error)}`);
    }
  }
}

function unfit(text: string): CallerTlsFault {
  return fault('CLIENT_LISTENER_CERTIFICATE', text);
}

function fault(code: CloudCause['code'], text: string): CallerTlsFault {
  return new CallerTlsFault({ code, text });
}
