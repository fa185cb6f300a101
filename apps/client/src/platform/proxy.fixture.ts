/** Proxies of a few lines for tests: HTTP CONNECT with credentials, in plain or over TLS, and SOCKS5 with credentials. */
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net';

/** A proxy that runs. */
export interface TestProxy {
  readonly port: number;
  /** The targets that were asked for. */
  readonly targets: string[];
  close(): void;
}

/** What a proxy lets through. */
export interface TestProxyOptions {
  credentials?: string;
  refuse?: (target: string) => boolean;
  tls?: { key: string; cert: string };
}

/** RFC 9110 CONNECT. */
export async function startConnectProxy(options: TestProxyOptions = {}): Promise<TestProxy> {
  const server = options.tls === undefined ? createHttpServer() : createHttpsServer(options.tls);
  const targets: string[] = [];
  const sockets = track(server);
  server.on('connect', (request, socket: Socket) => {
    const target = request.url ?? '';
    const expected = options.credentials === undefined ? undefined : `Basic ${btoa(options.credentials)}`;
    if (request.headers['proxy-authorization'] !== expected) {
      return socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\n\r\n');
    }
    targets.push(target);
    if (options.refuse?.(target) === true) return socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    return join(socket, target, () => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
  });
  return listening(server, targets, sockets);
}

/** RFC 1928 with names and IPv4, RFC 1929 credentials. */
export async function startSocksProxy(options: TestProxyOptions = {}): Promise<TestProxy> {
  const targets: string[] = [];
  const server = createServer((socket) => {
    void serveSocks(socket, options, targets).catch(() => socket.destroy());
  });
  return listening(server, targets, track(server));
}

async function serveSocks(
  socket: Socket,
  { credentials }: TestProxyOptions,
  targets: string[],
): Promise<void> {
  const read = async (): Promise<Buffer> => ((await once(socket, 'data')) as [Buffer])[0];
  await read();
  socket.write(Buffer.from([5, credentials === undefined ? 0 : 2]));
  if (credentials !== undefined) {
    const sent = await read();
    const userLength = sent[1] ?? 0;
    const user = sent.subarray(2, 2 + userLength).toString();
    const password = sent.subarray(3 + userLength).toString();
    const right = `${user}:${password}` === credentials;
    socket.write(Buffer.from([1, right ? 0 : 1]));
    if (!right) return void socket.end();
  }
  const request = await read();
  const host =
    request[3] === 1
      ? request.subarray(4, 8).join('.')
      : request.subarray(5, 5 + (request[4] ?? 0)).toString();
  const target = `${host}:${request.readUInt16BE(request.length - 2)}`;
  targets.push(target);
  join(socket, target, () => socket.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0])));
}

function join(socket: Socket, target: string, onConnect: () => void): void {
  const colon = target.lastIndexOf(':');
  const upstream = connect(Number(target.slice(colon + 1)), target.slice(0, colon), () => {
    onConnect();
    socket.pipe(upstream).pipe(socket);
  });
  const end = (): void => {
    socket.destroy();
    upstream.destroy();
  };
  socket.on('error', end).on('close', end);
  upstream.on('error', end).on('close', end);
}

function track(server: Server): Set<Socket> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket));
  return sockets;
}

async function listening(server: Server, targets: string[], sockets: Set<Socket>): Promise<TestProxy> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    targets,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
