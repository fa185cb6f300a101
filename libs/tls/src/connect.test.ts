import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, type Server, createServer as createTcpServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type TlsOptions, createServer } from 'node:tls';
import {
  TlsError,
  connectTls,
  contextOptions,
  createAuthority,
  createSigningRequest,
  generateKey,
  loadAuthority,
} from './index.ts';
import type { ConnectOptions } from './connect.ts';

const pair = await createAuthority({ commonName: 'Test CA' });
const authority = loadAuthority(pair);
const keyPem = await generateKey();
const csrPem = await createSigningRequest({ keyPem, commonName: 'server' });

function issue(overrides: { names?: string[]; notBefore?: Date; notAfter?: Date } = {}): Promise<string> {
  const notAfter = new Date(Date.now() + 86_400_000);
  return authority.issue({
    csrPem,
    names: ['server.example'],
    addresses: ['127.0.0.1'],
    usage: 'server',
    notAfter,
    ...overrides,
  });
}

async function listen(t: TestContext, server: Server): Promise<number> {
  const sockets = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => sockets.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function serve(t: TestContext, chainPem: string, options: TlsOptions = {}): Promise<number> {
  const server = createServer({ ...contextOptions({ chainPem, keyPem }), ...options }, (socket) => {
    socket.on('error', () => {});
    socket.end('hello');
  });
  server.on('tlsClientError', () => {});
  return listen(t, server);
}

function dial(port: number, options: Partial<ConnectOptions> = {}): ReturnType<typeof connectTls> {
  return connectTls({
    host: '127.0.0.1',
    port,
    caPem: pair.certificatePem,
    signal: AbortSignal.timeout(10_000),
    ...options,
  });
}

async function failureOf(port: number, options: Partial<ConnectOptions> = {}): Promise<TlsError> {
  try {
    await dial(port, options);
  } catch (error) {
    assert(error instanceof TlsError, String(error));
    return error;
  }
  return assert.fail('the peer was believed');
}

test('a peer with the right certificate is believed, by address and by name', async (t) => {
  const port = await serve(t, await issue());
  for (const serverName of ['127.0.0.1', 'server.example']) {
    const socket = await dial(port, { serverName });
    assert.equal(socket.authorized, true);
    assert.equal(socket.getCipher().name, 'TLS_AES_128_GCM_SHA256');
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    assert.equal(chunk.toString(), 'hello');
    socket.destroy();
  }
});

test('an unknown issuer is named, with the proxy that may be in between', async (t) => {
  const port = await serve(t, await issue());
  const other = await createAuthority({ commonName: 'Other CA' });
  const error = await failureOf(port, { caPem: other.certificatePem });
  assert.equal(error.code, 'TLS_ISSUER_UNKNOWN');
  assert.match(error.message, /signed by Test CA, which is not a trusted CA: a proxy that inspects TLS/);
});

test('a certificate that signed itself is told apart', async (t) => {
  const self = await createAuthority({ commonName: 'Self' });
  const server = createServer({ cert: self.certificatePem, key: self.keyPem });
  server.on('tlsClientError', () => {});
  const error = await failureOf(await listen(t, server));
  assert.equal(error.code, 'TLS_ISSUER_UNKNOWN');
  assert.match(error.message, /\(Self\) that it signed itself/);
});

test('a chain that ends in an untrusted CA is an unknown issuer', async (t) => {
  const port = await serve(t, (await issue()) + pair.certificatePem);
  const other = await createAuthority({ commonName: 'Other CA' });
  assert.equal((await failureOf(port, { caPem: other.certificatePem })).code, 'TLS_ISSUER_UNKNOWN');
});

test('a wrong name is told with the names that the certificate has', async (t) => {
  const port = await serve(t, await issue());
  const error = await failureOf(port, { serverName: 'evil.example' });
  assert.equal(error.code, 'TLS_NAME_MISMATCH');
  assert.match(error.message, /for server\.example, 127\.0\.0\.1, not for evil\.example/);
});

test('an ended and a future certificate are told with their dates', async (t) => {
  const past = { notBefore: new Date('2020-01-01'), notAfter: new Date('2020-02-01') };
  const expired = await failureOf(await serve(t, await issue(past)));
  assert.equal(expired.code, 'TLS_EXPIRED');
  assert.match(expired.message, /2020/);
  const future = await failureOf(
    await serve(t, await issue({ notBefore: new Date(Date.now() + 3_600_000) })),
  );
  assert.equal(future.code, 'TLS_NOT_YET_VALID');
});

test('a port that does not speak TLS is told', async (t) => {
  const server = createTcpServer((socket) => {
    socket.on('error', () => {});
    socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
  });
  const error = await failureOf(await listen(t, server));
  assert.equal(error.code, 'TLS_NOT_TLS');
});

test('a peer that closes or breaks the connection in the handshake is told, with what it may be', async (t) => {
  for (const leave of ['end', 'resetAndDestroy'] as const) {
    const server = createTcpServer((socket) =>
      socket.on('error', () => {}).once('data', () => socket[leave]()),
    );
    const error = await failureOf(await listen(t, server));
    assert.equal(error.code, 'TLS_HANDSHAKE');
    assert.match(
      error.message,
      /^127\.0\.0\.1:\d+ closed the connection in the TLS handshake: .*check host and port$/,
    );
  }
});

test('a peer that sends back what it gets does not speak TLS', async (t) => {
  const server = createTcpServer((socket) => socket.on('error', () => {}).pipe(socket));
  assert.equal((await failureOf(await listen(t, server))).code, 'TLS_NOT_TLS');
});

test('a peer without a common version is told', async (t) => {
  const port = await serve(t, await issue(), { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' });
  assert.equal((await failureOf(port, { tunnel: true })).code, 'TLS_VERSION');
});

test('a peer that says nothing is given up when the signal says so', async (t) => {
  const port = await listen(t, createTcpServer());
  const abort = new AbortController();
  const dialled = dial(port, { signal: abort.signal });
  abort.abort(new Error('stopped'));
  await assert.rejects(dialled, /stopped/);
});

test('a refused connection keeps its own error', async (t) => {
  const server = createTcpServer();
  const port = await listen(t, server);
  server.close();
  await once(server, 'close');
  await assert.rejects(dial(port), { code: 'ECONNREFUSED' });
});

test('a stranger’s text is cut and cleaned in messages', async (t) => {
  const self = await createAuthority({ commonName: `\u001B[31m${'x'.repeat(300)}` });
  const server = createServer({ cert: self.certificatePem, key: self.keyPem });
  server.on('tlsClientError', () => {});
  const { message } = await failureOf(await listen(t, server));
  assert.doesNotMatch(message, /\p{Cc}/u);
});
