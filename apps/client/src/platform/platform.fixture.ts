/**
 * A platform of a few lines for tests: a real HTTPS server with the first call and the tunnel WebSocket, and real TLS
 * tunnel ports with the tunnel library behind them. It believes every client; what it answers can be set.
 */
import assert from 'node:assert/strict';
import { createHash, createPublicKey, randomBytes, verify } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Server as HttpsServer, createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { type Server as TlsServer, createServer as createTlsServer } from 'node:tls';
import {
  type AccessRule,
  type ClientHello,
  type ConnectAnswer,
  type ConnectRequest,
  type NodeAddress,
  helloProofText,
  knownFeatures,
} from '@postern/contracts';
import {
  type Authority,
  createAuthority,
  createSigningRequest,
  generateKey,
  loadAuthority,
} from '@postern/tls';
import { type Carrier, Endpoint, type Session, tlsCarrier, webSocketCarrier } from '@postern/tunnel';
import { WebSocketServer } from 'ws';

/** How the first call is answered: with tickets, or with a status, a problem and headers. */
export type CallAnswer =
  | 'tickets'
  | { status: number; code?: string; headers?: Record<string, string>; body?: string };

/** A certificate of a test's own CA for localhost, and that CA. */
export interface TestCertificate {
  readonly authority: Authority;
  readonly caPem: string;
  readonly keyPem: string;
  readonly certificatePem: string;
}

/** A CA and a certificate for `names`. */
export async function makeCertificate(
  names: string[] = ['localhost'],
  commonName = 'Test CA',
): Promise<TestCertificate> {
  const authority = loadAuthority(await createAuthority({ commonName }));
  const keyPem = await generateKey();
  const csrPem = await createSigningRequest({ keyPem, commonName: names[0] ?? '', names });
  const certificatePem = await authority.issue({
    csrPem,
    names,
    addresses: ['127.0.0.1'],
    usage: 'server',
    notAfter: authority.notAfter,
  });
  return { authority, caPem: authority.certificatePem, keyPem, certificatePem };
}

/** One node of the test platform. */
export class TestNode {
  readonly name: string;
  readonly bootId = randomBytes(16).toString('base64url');
  readonly endpoint: Endpoint;
  readonly sessions: Session[] = [];
  readonly hellos: ClientHello[] = [];
  readonly #server: TlsServer;
  readonly #sockets = new Set<Socket>();
  readonly platform: TestPlatform;
  /** Why handshakes are refused; null while they are taken. */
  refusal: { code: string; message: string } | null = null;
  onSession: (session: Session) => void = () => {};
  readonly controls: unknown[] = [];
  onControl: (body: unknown) => void = () => {};

  constructor(platform: TestPlatform, name: string, certificate: TestCertificate) {
    this.name = name;
    this.platform = platform;
    this.endpoint = new Endpoint({
      self: { id: name, bootId: this.bootId },
      onControl: (_session, body) => {
        this.controls.push(body);
        this.onControl(body);
      },
    });
    this.#server = createTlsServer(
      { key: certificate.keyPem, cert: certificate.certificatePem },
      (socket) => {
        this.#sockets.add(socket);
        socket.on('error', () => {});
        void this.take(tlsCarrier(socket));
      },
    );
  }

  /** The tunnel port; opens on a free one, or again on the former. */
  async listen(port = 0): Promise<void> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Closes the tunnel port and cuts what came through it. */
  async closePort(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
    await closed;
  }

  /** Takes a tunnel. */
  async take(carrier: Carrier): Promise<void> {
    const nonce = randomBytes(16).toString('base64url');
    try {
      const session = await this.endpoint.accept(carrier, {
        hello: { protocol: [1], node: this.name, bootId: this.bootId, nonce, features: [...knownFeatures] },
        authenticate: async (body) => {
          if (this.refusal !== null)
            throw Object.assign(new Error(this.refusal.message), { code: this.refusal.code });
          const hello = body as ClientHello;
          this.platform.checkProof(this.name, nonce, hello);
          this.hellos.push(hello);
          const { gatewayId, clientId } = this.platform.clientOf(hello.ticket);
          return {
            peer: { scope: gatewayId, id: clientId, bootId: hello.bootId },
            welcome: {
              protocol: 1,
              tunnelId: randomBytes(8).toString('hex'),
              clientId,
              gateway: { id: gatewayId, name: 'Test' },
              accessList: this.platform.accessList,
            },
          };
        },
      });
      this.sessions.push(session);
      this.onSession(session);
    } catch {
      // Refused, or gone: the client's end tells.
    }
  }

  /** Resolves with the next session that comes up. */
  nextSession(): Promise<Session> {
    return new Promise((resolve) => {
      this.onSession = resolve;
    });
  }
}

/** See the head of this file. */
export class TestPlatform {
  readonly nodes: TestNode[] = [];
  readonly calls: { body: ConnectRequest; token: string | null }[] = [];
  readonly #https: HttpsServer;
  readonly #webSockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  readonly #certificate: TestCertificate;
  readonly #clients = new Map<string, { gatewayId: string; clientId: string; x: string }>();
  readonly #sockets = new Set<Socket>();
  callAnswer: CallAnswer = 'tickets';
  /** The nodes that the first call names; all of them unless set. */
  listed: NodeAddress[] | null = null;
  accessList: { revision: number; rules: AccessRule[] } = {
    revision: 1,
    rules: [{ action: 'allow', host: '*', port: '*' }],
  };
  onCall: () => void = () => {};

  private constructor(certificate: TestCertificate) {
    this.#certificate = certificate;
    const { keyPem: key, certificatePem: cert } = certificate;
    this.#https = createHttpsServer(
      { key, cert },
      (request, response) => void this.#answer(request, response),
    );
    this.#https.on('connection', (socket: Socket) => this.#sockets.add(socket));
    this.#https.on('upgrade', (request, socket, head) => {
      assert.equal(request.url, '/v1/tunnel');
      const node = this.nodes[0];
      assert(node !== undefined);
      this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
        void node.take(webSocketCarrier(webSocket, 'test'));
      });
    });
  }

  /** Starts a platform with some nodes. */
  static async start(nodes = 1, certificate?: TestCertificate): Promise<TestPlatform> {
    const platform = new TestPlatform(certificate ?? (await makeCertificate()));
    platform.#https.listen(0, '127.0.0.1');
    await once(platform.#https, 'listening');
    for (let number = 1; number <= nodes; number += 1) {
      const node = new TestNode(platform, `node-${number}`, platform.#certificate);
      platform.nodes.push(node);
      await node.listen();
    }
    return platform;
  }

  get caPem(): string {
    return this.#certificate.caPem;
  }

  get url(): URL {
    return new URL(`https://localhost:${(this.#https.address() as AddressInfo).port}`);
  }

  node(index = 0): TestNode {
    return this.nodes[index] ?? assert.fail('no such node');
  }

  addressOf(node: TestNode): NodeAddress {
    return { node: node.name, zone: '', host: '127.0.0.1', port: node.port, serverName: 'localhost' };
  }

  /** The proof must be the client's own over this node's nonce. */
  checkProof(node: string, nonce: string, { proof, ticket }: ClientHello): void {
    const client = this.#clients.get(ticket);
    assert(client !== undefined, 'the ticket is one of ours');
    const key = createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x: client.x } });
    assert(
      verify(null, Buffer.from(helloProofText(node, nonce, ticket)), key, Buffer.from(proof, 'base64url')),
    );
  }

  clientOf(ticket: string): { gatewayId: string; clientId: string } {
    return this.#clients.get(ticket) ?? assert.fail('an unknown ticket');
  }

  async stop(): Promise<void> {
    for (const node of this.nodes) {
      node.endpoint.close();
      if (node.port !== undefined) await node.closePort();
    }
    this.#https.closeAllConnections();
    for (const socket of this.#sockets) socket.destroy();
    const closed = once(this.#https, 'close');
    this.#https.close();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const piece of request as AsyncIterable<Buffer>) text += piece.toString();
    const body = JSON.parse(text) as ConnectRequest;
    this.calls.push({ body, token: request.headers.authorization?.replace('Bearer ', '') ?? null });
    if (this.callAnswer === 'tickets')
      response.setHeader('content-type', 'application/json').end(JSON.stringify(this.#admit(body)));
    else {
      const { status, code, headers = {}, body: own } = this.callAnswer;
      response
        .writeHead(status, headers)
        .end(own ?? JSON.stringify({ status, code, detail: 'as the test wants' }));
    }
    this.onCall();
  }

  #admit({ gatewayId, publicKey }: ConnectRequest): ConnectAnswer {
    const clientId = `${gatewayId}_${createHash('sha256').update(publicKey.x).digest('hex').slice(0, 8)}`;
    const makeTicket = (): string => {
      const ticket = `x.${Buffer.from(JSON.stringify({ iat: 0, exp: 300, random: randomBytes(8).toString('hex') })).toString('base64url')}.x`;
      this.#clients.set(ticket, { gatewayId, clientId, x: publicKey.x });
      return ticket;
    };
    return {
      clientId,
      ticket: makeTicket(),
      ticketExpiresAt: new Date().toISOString(),
      reserveTicket: makeTicket(),
      reserveTicketExpiresAt: new Date().toISOString(),
      gateway: { id: gatewayId, name: 'Test' },
      nodes: this.listed ?? this.nodes.map((node) => this.addressOf(node)),
    };
  }
}
