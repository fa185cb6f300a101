/**
 * The connect port: HTTPS for the platform's own host. Two things are served, `POST /v1/connect` (a client's first call)
 * and a WebSocket at `/v1/tunnel` (the tunnel protocol, where the tunnel port cannot be reached); all else is a 404.
 * Whoever speaks plain HTTP here is told so in plain HTTP.
 *
 * A connection is one request, and holds a pass of the gate from accept until its answer is out or its tunnel is up. So
 * that one bound covers half-open TLS, slow headers, slow bodies and calls that wait for acl alike.
 */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Server as HttpsServer, createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Logger } from '@postern/telemetry';
import { contextOptions } from '@postern/tls';
import { type Carrier, webSocketCarrier, webSocketMessageBytesMax } from '@postern/tunnel';
import { WebSocketServer } from 'ws';
import type { RateLimit } from './admission.ts';
import { lookAtFirstByte } from './first-byte.ts';
import { type FirstCallParts, answerFirstCall } from './first-call.ts';
import type { HandshakeGate, Pass } from './handshake-gate.ts';
import type { LineLimit } from './line-limit.ts';
import { ConnectRefusal, sendJson, sendProblem, writeRawProblem } from './problem.ts';
import type { HeldCertificate } from './server-certificate.ts';

const backlog = 1024;
const headerBytesMax = 16 * 1024;
const headersMax = 64;
/** How long a plain-text answer may take to leave before the connection is cut. */
const goodbyeMs = 1_000;

/** What the connect port needs of the node. */
export interface ConnectServerParts extends FirstCallParts {
  host: string;
  port: number;
  certificate: HeldCertificate;
  gate: HandshakeGate;
  callRate: RateLimit;
  draining(): boolean;
  /** Makes a tunnel of the carrier; resolves when it is up or refused. */
  accept(carrier: Carrier): Promise<unknown>;
  onCall(code: string): void;
  onTlsError(error: Error): void;
  logger: Logger;
  /** Strangers cause refusals at will; their lines in the log are bounded. */
  lines: LineLimit;
}

/** Listens for first calls and WebSocket tunnels. */
export class ConnectServer {
  readonly #parts: ConnectServerParts;
  readonly #listener: Server;
  readonly #https: HttpsServer;
  readonly #webSockets: WebSocketServer;
  readonly #passes = new Map<string, Pass>();

  constructor(parts: ConnectServerParts) {
    this.#parts = parts;
    this.#webSockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: webSocketMessageBytesMax,
    });
    this.#https = this.#createHttps();
    this.#listener = createServer({ noDelay: true }, (socket) => this.#handleConnection(socket));
  }

  get port(): number {
    return (this.#listener.address() as AddressInfo | null)?.port ?? 0;
  }

  async listen(): Promise<void> {
    const { host, port } = this.#parts;
    this.#listener.listen({ host, port, backlog });
    await once(this.#listener, 'listening');
  }

  /** New handshakes take this certificate. */
  useCertificate({ chainPem, keyPem }: HeldCertificate): void {
    this.#https.setSecureContext(contextOptions({ chainPem, keyPem }));
  }

  /** Takes no more connections and cuts those that have not become tunnels. Idempotent. */
  close(): void {
    if (this.#listener.listening) this.#listener.close();
    this.#https.close();
    this.#parts.gate.close();
  }

  /** It never listens itself, so its own time-outs for headers and bodies never run: the gate's covers them. */
  #createHttps(): HttpsServer {
    const { certificate } = this.#parts;
    const server = createHttpsServer({
      ...contextOptions({ chainPem: certificate.chainPem, keyPem: certificate.keyPem }),
      maxHeaderSize: headerBytesMax,
    });
    server.maxHeadersCount = headersMax;
    server.on('request', (request, response) => void this.#handleRequest(request, response));
    server.on('upgrade', (request, socket, head) => this.#handleUpgrade(request, socket, head));
    server.on('tlsClientError', (error, socket) => {
      this.#parts.onTlsError(error);
      socket.destroy();
    });
    server.on('clientError', (_error, socket) => {
      if (socket.writable)
        writeRawProblem(
          socket,
          new ConnectRefusal(400, 'EDGE_CALL_MALFORMED', 'this is no HTTP request that can be read'),
        );
      setTimeout(() => socket.destroy(), goodbyeMs).unref();
    });
    return server;
  }

  #handleConnection(socket: Socket): void {
    const peer = peerOf(socket);
    const pass = this.#parts.gate.enter(socket.remoteAddress ?? '', () => socket.destroy());
    this.#passes.set(peer, pass);
    const ignore = () => {};
    socket.on('error', ignore);
    socket.once('close', () => this.#leave(peer));
    lookAtFirstByte(socket, (opening) => {
      if (opening === 'tls') this.#https.emit('connection', socket);
      else if (opening === 'text') refusePlainHttp(socket);
      else socket.destroy();
    });
  }

  async #handleRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      this.#admit(request);
      if (pathOf(request) !== '/v1/connect') throw notFound();
      if (request.method !== 'POST')
        throw new ConnectRefusal(405, 'EDGE_CALL_METHOD', 'the first call is a POST');
      sendJson(response, 200, await answerFirstCall(this.#parts, request));
      this.#parts.onCall('ok');
    } catch (error) {
      this.#refuse(error, request, (refusal) => sendProblem(response, refusal));
    }
  }

  #handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    try {
      this.#admit(request);
      if (pathOf(request) !== '/v1/tunnel') throw notFound();
    } catch (error) {
      this.#refuse(error, request, (refusal) => writeRawProblem(socket, refusal));
      return;
    }
    const { remoteAddress = '?', remotePort = 0 } = request.socket;
    request.socket.setTimeout(0);
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      const peer = peerOf(request.socket);
      void this.#parts
        .accept(webSocketCarrier(webSocket, `${remoteAddress}:${remotePort}`))
        .then(() => this.#leave(peer));
    });
  }

  /** What holds for every call before it is looked at. */
  #admit(request: IncomingMessage): void {
    if (this.#parts.draining()) {
      throw new ConnectRefusal(503, 'EDGE_DRAINING', 'this node is stopping; another one answers', 1);
    }
    if (!this.#parts.callRate.take(request.socket.remoteAddress ?? '')) {
      throw new ConnectRefusal(429, 'EDGE_CALL_RATE', 'too many first calls from this address', 5);
    }
  }

  #refuse(error: unknown, request: IncomingMessage, send: (refusal: ConnectRefusal) => string): void {
    const refusal =
      error instanceof ConnectRefusal
        ? error
        : new ConnectRefusal(500, 'EDGE_INTERNAL', 'an internal error; its cause is in the log of the node');
    const trackingId = send(refusal);
    this.#parts.onCall(refusal.code);
    const leftOut = this.#parts.lines.take();
    if (leftOut === null) return;
    const about = { code: refusal.code, trackingId, address: request.socket.remoteAddress };
    if (refusal === error) this.#parts.logger.info(about, `a first call was refused: ${refusal.message}`);
    else this.#parts.logger.error({ ...about, error }, 'a first call failed');
  }

  #leave(peer: string): void {
    this.#passes.get(peer)?.leave();
    this.#passes.delete(peer);
  }
}

function refusePlainHttp(socket: Socket): void {
  writeRawProblem(
    socket,
    new ConnectRefusal(400, 'EDGE_CALL_PLAIN_HTTP', 'this port speaks HTTPS, and plain HTTP came'),
  );
  socket.resume();
  setTimeout(() => socket.destroy(), goodbyeMs).unref();
}

function notFound(): ConnectRefusal {
  return new ConnectRefusal(
    404,
    'EDGE_CALL_NOT_FOUND',
    'here are POST /v1/connect and the WebSocket /v1/tunnel',
  );
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').split('?', 1)[0] ?? '';
}

function peerOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}
