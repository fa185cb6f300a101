/**
 * The tunnel port: TLS 1.3, then the tunnel protocol. Nothing else is spoken here; whoever speaks plain HTTP is cut. The
 * link port is the same, with a certificate of the cluster's CA asked of who dials.
 * A connection holds a pass of the gate from accept until its tunnel is up, so that half-open ones stay within bounds.
 */
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { type SecureContextOptions, type Server, type TLSSocket, createServer } from 'node:tls';
import { contextOptions } from '@postern/tls';
import { type Carrier, tlsCarrier } from '@postern/tunnel';
import type { HandshakeGate, Pass } from './handshake-gate.ts';
import type { HeldCertificate } from './server-certificate.ts';

const backlog = 1024;

/** What the tunnel port needs of the node. */
export interface TunnelServerParts {
  host: string;
  port: number;
  certificate: HeldCertificate;
  gate: HandshakeGate;
  /** Only who shows a certificate of the CA that signed `certificate` gets past TLS. */
  mutual?: boolean;
  /** Makes a tunnel of the carrier; resolves when it is up or refused. */
  accept(carrier: Carrier, socket: TLSSocket): Promise<unknown>;
  onTlsError(error: Error): void;
}

/** Listens for tunnels. */
export class TunnelServer {
  readonly #parts: TunnelServerParts;
  readonly #server: Server;
  /** By the address and port of the other end, which is all that the plain and the TLS socket have in common. */
  readonly #passes = new Map<string, Pass>();

  constructor(parts: TunnelServerParts) {
    this.#parts = parts;
    const { mutual = false } = parts;
    this.#server = createServer({
      ...this.#context(parts.certificate),
      requestCert: mutual,
      rejectUnauthorized: mutual,
      noDelay: true,
    });
    this.#server.on('connection', (socket) => this.#handleConnection(socket));
    this.#server.on('secureConnection', (socket) => void this.#handleSecure(socket));
    this.#server.on('tlsClientError', (error, socket) => {
      parts.onTlsError(error);
      socket.destroy();
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? 0;
  }

  async listen(): Promise<void> {
    const { host, port } = this.#parts;
    this.#server.listen({ host, port, backlog });
    await once(this.#server, 'listening');
  }

  /** New handshakes take this certificate. */
  useCertificate(certificate: HeldCertificate): void {
    this.#server.setSecureContext(this.#context(certificate));
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
    const pass = this.#parts.gate.enter(socket.remoteAddress ?? '', () => socket.destroy());
    const peer = peerOf(socket);
    this.#passes.set(peer, pass);
    socket.once('close', () => this.#leave(peer));
  }

  async #handleSecure(socket: TLSSocket): Promise<void> {
    const peer = peerOf(socket);
    await this.#parts.accept(tlsCarrier(socket), socket);
    this.#leave(peer);
  }

  #leave(peer: string): void {
    this.#passes.get(peer)?.leave();
    this.#passes.delete(peer);
  }
}

function peerOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}
