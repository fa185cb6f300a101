/**
 * The connect port: HTTPS for the platform's own host. Two things are served, `POST /v1/connect` (a client's first call)
 * and a WebSocket at `/v1/tunnel` (the tunnel protocol, where the tunnel port cannot be reached); all else is a 404.
 * Whoever speaks plain HTTP here is told so in plain HTTP.
 *
 * A connection comes from the entrance when no destination owns the name that it asked for. It is one request, and holds
 * a pass of the gate from accept until its answer is out or its tunnel is up. So that one bound covers half-open TLS,
 * slow headers, slow bodies and calls that wait for acl alike.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Server as HttpsServer, createServer as createHttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { HeldCertificate } from '@postern/kept-certificate';
import type { LineLimit, Logger } from '@postern/telemetry';
import { boundKeyUpdates, contextOptions } from '@postern/tls';
import { type Carrier, resetSocket, webSocketCarrier, webSocketMessageBytesMax } from '@postern/tunnel';
import { WebSocketServer } from 'ws';
import type { RateLimit } from '../gate/admission.ts';
import type { PlatformConnection } from '../caller/entrance.ts';
import { type FirstCallParts, answerFirstCall } from './first-call.ts';
import { ConnectionPlaces } from '../gate/connection-places.ts';
import type { HandshakeGate } from '../gate/handshake-gate.ts';
import type { CallerAddress } from '../access/judgement.ts';
import { ConnectRefusal, sendJson, sendProblem, writeRawProblem } from '../gate/problem.ts';
import type { Turns } from '../gate/turns.ts';

const headerBytesMax = 16 * 1024;
const headersMax = 64;
/** The pieces in which one message of a WebSocket may come; each is kept until it is whole, however short it is. */
const messagePiecesMax = 8_192;
/** How long a plain-text answer may take to leave before the connection is cut. */
const goodbyeMs = 1_000;

/** What the connect port needs of the node. */
export interface ConnectServerParts extends FirstCallParts {
  certificate: HeldCertificate;
  callRate: RateLimit;
  gate: HandshakeGate;
  turns: Turns;
  draining(): boolean;
  /** Makes a tunnel of the carrier; resolves when it is up or refused. */
  accept(carrier: Carrier): Promise<unknown>;
  onCall(code: string): void;
  onTlsError(error: Error): void;
  logger: Logger;
  /** Strangers cause refusals at will; their lines in the log are bounded. */
  lines: LineLimit;
}

/** Serves first calls and WebSocket tunnels. */
export class ConnectServer {
  readonly #parts: ConnectServerParts;
  readonly #https: HttpsServer;
  readonly #webSockets: WebSocketServer;
  readonly #places = new ConnectionPlaces<{ readonly address: CallerAddress }>();

  constructor(parts: ConnectServerParts) {
    this.#parts = parts;
    this.#webSockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: webSocketMessageBytesMax,
      maxBufferedChunks: messagePiecesMax,
    });
    this.#https = this.#createHttps();
  }

  /** Has a connection from now on; the pass is left when it has shown what it is for, or is over. */
  serve({ socket, address, speaks, pass }: PlatformConnection): void {
    const place = this.#places.enter(socket, pass, { address });
    if (speaks === 'text') return refusePlainHttp(socket);
    const { gate, turns } = this.#parts;
    pass.leave();
    place.turn = turns.take('call', address.address, {
      begin: () => void this.#https.emit('connection', socket),
      refuse: () => resetSocket(socket),
      stall: () => {
        place.pass = gate.enter(address.address, () => socket.destroy());
      },
    });
  }

  /** New handshakes take this certificate. */
  useCertificate({ chainPem, keyPem }: HeldCertificate): void {
    this.#https.setSecureContext(contextOptions({ chainPem, keyPem }));
  }

  /** Ends what waits for a request. Idempotent. */
  close(): void {
    this.#https.close();
  }

  /** It never listens itself, so its own time-outs for headers and bodies never run: the gate's covers them. */
  #createHttps(): HttpsServer {
    const { certificate } = this.#parts;
    const server = createHttpsServer({
      ...contextOptions({ chainPem: certificate.chainPem, keyPem: certificate.keyPem }),
      maxHeaderSize: headerBytesMax,
    });
    server.maxHeadersCount = headersMax;
    server.on('secureConnection', boundKeyUpdates);
    server.on('request', (request, response) => void this.#handleRequest(request, response));
    server.on('upgrade', (request, socket, head) => this.#handleUpgrade(request, socket, head));
    server.on('tlsClientError', (error, socket) => {
      this.#parts.onTlsError(error);
      socket.destroy();
    });
    server.on('clientError', (_error, socket) => {
      // It has its answer. Each piece that is read behind it would be found wrong anew.
      if (!socket.writable) return void socket.destroy();
      writeRawProblem(
        socket,
        new ConnectRefusal(400, 'EDGE_CALL_MALFORMED', 'this is no HTTP request that can be read'),
      );
      setTimeout(() => socket.destroy(), goodbyeMs).unref();
    });
    return server;
  }

  async #handleRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A request that is given up while it is read has no socket any more.
    const { address } = this.#addressOf(request.socket);
    try {
      this.#admit(address);
      if (pathOf(request) !== '/v1/connect') throw notFound();
      if (request.method !== 'POST')
        throw new ConnectRefusal(405, 'EDGE_CALL_METHOD', 'the first call is a POST');
      sendJson(response, 200, await answerFirstCall(this.#parts, request, address));
      this.#parts.onCall('ok');
    } catch (error) {
      this.#refuse(error, address, (refusal) => sendProblem(response, refusal));
    }
  }

  #handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    const { address, port } = this.#addressOf(request.socket);
    try {
      this.#admit(address);
      if (pathOf(request) !== '/v1/tunnel') throw notFound();
    } catch (error) {
      this.#refuse(error, address, (refusal) => writeRawProblem(socket, refusal));
      return;
    }
    request.socket.setTimeout(0);
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      const place = this.#places.of(request.socket);
      void this.#parts.accept(webSocketCarrier(webSocket, `${address}:${port}`)).then(() => {
        if (place !== undefined) this.#places.leave(place);
      });
    });
  }

  /** What holds for every call before it is looked at. */
  #admit(address: string): void {
    if (this.#parts.draining()) {
      throw new ConnectRefusal(503, 'EDGE_DRAINING', 'this node is stopping; another one answers', 1);
    }
    if (!this.#parts.callRate.take(address)) {
      throw new ConnectRefusal(429, 'EDGE_CALL_RATE', 'too many first calls from this address', 5);
    }
  }

  #refuse(error: unknown, address: string, send: (refusal: ConnectRefusal) => string): void {
    const refusal =
      error instanceof ConnectRefusal
        ? error
        : new ConnectRefusal(500, 'EDGE_INTERNAL', 'an internal error; its cause is in the log of the node');
    const trackingId = send(refusal);
    this.#parts.onCall(refusal.code);
    const more = this.#parts.lines.take();
    if (more === null) return;
    const { code, gatewayId } = refusal;
    const about = { code, gatewayId, trackingId, address, ...more };
    if (refusal === error) this.#parts.logger.info(about, `a first call was refused: ${refusal.message}`);
    else this.#parts.logger.error({ ...about, error }, 'a first call failed');
  }

  /** The caller's own address, which a balancer may have told. */
  #addressOf(socket: Socket): CallerAddress {
    const { remoteAddress = '', remotePort = 0 } = socket;
    return this.#places.of(socket)?.address ?? { address: remoteAddress, port: remotePort };
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
