/**
 * The tunnel port: TLS 1.3, then the tunnel protocol. Nothing else is spoken here; whoever speaks plain HTTP is cut. The
 * link port is the same, with a certificate of the cluster's CA asked of who dials.
 * A connection holds a pass of the gate from accept until its tunnel is up, so that half-open ones stay within bounds;
 * from its first bytes on it waits for its turn, so that many at once do not make each other late. While turns are free
 * it has one from accept on: Node's TLS reads 64 KiB at a time where it has read the first bytes itself, and otherwise as
 * much as those were, for as long as the tunnel lives.
 */
import { once } from 'node:events';
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net';
import {
  type Server as TlsServer,
  type SecureContextOptions,
  type TLSSocket,
  createServer as createTlsServer,
} from 'node:tls';
import type { HeldCertificate } from '@postern/kept-certificate';
import type { Logger } from '@postern/telemetry';
import { boundKeyUpdates, contextOptions } from '@postern/tls';
import { type Carrier, resetSocket, tlsCarrier } from '@postern/tunnel';
import { ConnectionPlaces } from '../gate/connection-places.ts';
import { onFirstRecord } from '../gate/first-record.ts';
import { makePortErrorLog } from '../gate/gates.ts';
import type { HandshakeGate, Pass } from '../gate/handshake-gate.ts';
import type { Turn, Turns } from '../gate/turns.ts';

const backlog = 1024;

/** What the tunnel port needs of the node. */
export interface TunnelServerParts {
  host: string;
  port: number;
  certificate: HeldCertificate;
  gate: HandshakeGate;
  /** Whose turn it is, where clients come; other nodes are few and wait for nobody. */
  turns?: Turns;
  /** Only who shows a certificate of the CA that signed `certificate` gets past TLS. */
  mutual?: boolean;
  /** Makes a tunnel of the carrier; resolves when it is up or refused. */
  accept(carrier: Carrier, socket: TLSSocket): Promise<unknown>;
  onTlsError(error: Error): void;
  logger: Logger;
}

/** Listens for tunnels. */
export class TunnelServer {
  readonly #parts: TunnelServerParts;
  readonly #server: Server;
  /** Never listens: it is given connections that have begun to speak and whose turn it is. */
  readonly #tls: TlsServer;
  readonly #places = new ConnectionPlaces<object>();

  constructor(parts: TunnelServerParts) {
    this.#parts = parts;
    const { mutual = false } = parts;
    this.#server = createServer({ noDelay: true, pauseOnConnect: true });
    this.#server.on('connection', (socket) => this.#handleConnection(socket));
    this.#tls = createTlsServer({
      ...this.#context(parts.certificate),
      requestCert: mutual,
      rejectUnauthorized: mutual,
    });
    this.#tls.on('secureConnection', (socket) => void this.#handleSecure(socket));
    this.#tls.on('tlsClientError', (error, socket) => {
      parts.onTlsError(error);
      socket.destroy();
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? 0;
  }

  async listen(): Promise<void> {
    const { host, port, logger } = this.#parts;
    this.#server.listen({ host, port, backlog });
    await once(this.#server, 'listening');
    this.#server.on(
      'error',
      makePortErrorLog(logger, () => this.port),
    );
  }

  /** New handshakes take this certificate. */
  useCertificate(certificate: HeldCertificate): void {
    this.#tls.setSecureContext(this.#context(certificate));
  }

  /** Takes no more connections; tunnels go on. Idempotent. */
  close(): void {
    if (this.#server.listening) this.#server.close();
    this.#parts.gate.close();
  }

  #context({ chainPem, keyPem, caPem }: HeldCertificate): SecureContextOptions {
    const believed = this.#parts.mutual === true ? { caPem } : {};
    return contextOptions({ chainPem, keyPem, tunnel: true, ...believed });
  }

  #handleConnection(socket: Socket): void {
    const enter = (): Pass => this.#parts.gate.enter(socket.remoteAddress ?? '', () => socket.destroy());
    const place = this.#places.enter(socket, enter(), {});
    socket.on('error', () => {});
    const begin = (): void => {
      place.pass.leave();
      place.turn = this.#take(socket, () => {
        place.pass = enter();
      });
    };
    if (this.#parts.turns?.areFree ?? true) begin();
    else onFirstRecord(socket, begin);
  }

  #take(socket: Socket, stall: () => void): Turn | null {
    const begin = (): void => void this.#tls.emit('connection', socket);
    const { turns } = this.#parts;
    const refuse = (): void => resetSocket(socket);
    if (turns !== undefined)
      return turns.take('tunnel', socket.remoteAddress ?? '', { begin, refuse, stall });
    stall();
    begin();
    return null;
  }

  async #handleSecure(socket: TLSSocket): Promise<void> {
    boundKeyUpdates(socket);
    const place = this.#places.of(socket);
    // What is costly is done; who says nothing from here on takes nobody's turn.
    place?.turn?.stall();
    await this.#parts.accept(tlsCarrier(socket), socket);
    if (place !== undefined) this.#places.leave(place);
  }
}
