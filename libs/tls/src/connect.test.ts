import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, type Server, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

/** A leaf of this kind, by openssl: node makes none that is weak. */
function weakChain(key: string, digest: string): { pem: string; keyPem: string; caPem: string } {
  const folder = mkdtempSync(join(tmpdir(), 'postern-weak-'));
  const openssl = (words: string): Buffer =>
    execFileSync('openssl', words.split(' '), { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'] });
  const text = (name: string): string => readFileSync(join(folder, name), 'utf8');
  try {
    openssl('req -x509 -nodes -newkey rsa:2048 -keyout ca.key -out ca.pem -subj /CN=Root -days 30');
    openssl(`req -new -nodes -newkey ${key} -keyout weak.key -out weak.csr -subj /CN=weak`);
    openssl(
      `x509 -req -in weak.csr -CA ca.pem -CAkey ca.key -set_serial 1 -${digest} -days 30 -out weak.pem`,
    );
    return { pem: text('weak.pem'), keyPem: text('weak.key'), caPem: text('ca.pem') };
  } finally {
    rmSync(folder, { recursive: true });
  }
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

test('a peer that leaves out its intermediate is told so, for its root may be trusted', async (t) => {
  const other = await createAuthority({ commonName: 'Other CA' });
  const missing = /sends its own certificate alone: where Test CA is an intermediate CA, have it sent too$/;
  const trust = { caPem: other.certificatePem };
  assert.match((await failureOf(await serve(t, await issue()), trust)).message, missing);
  const whole = (await issue()) + pair.certificatePem;
  assert.doesNotMatch((await failureOf(await serve(t, whole), trust)).message, missing);
});

test('a certificate with a weak key or signature is told with what is weak', async (t) => {
  const weak = { minVersion: 'TLSv1.2', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
  const cases = [
    ['rsa:1024', 'sha256', /CN=weak has a weak key: an RSA key must have at least 2048 bits$/],
    [
      'rsa:2048',
      'sha1',
      /CN=weak is signed with sha1WithRSAEncryption, which can be forged: have it made anew/,
    ],
  ] as const;
  for (const [key, digest, told] of cases) {
    const chain = weakChain(key, digest);
    const server = createServer({ cert: chain.pem, key: chain.keyPem, ...weak });
    server.on('tlsClientError', () => {});
    const error = await failureOf(await listen(t, server), { caPem: chain.caPem });
    assert.equal(error.code, 'TLS_CHAIN_INVALID');
    assert.match(error.message, told);
  }
});

test('an alert is told in OpenSSL’s words, without the places in its source', async (t) => {
  const alert = (description: number): Buffer => Buffer.from([21, 3, 3, 0, 2, 2, description]);
  const told: readonly [number, RegExp][] = [
    [112, /serves nobody of the name server\.example, or wants one: give the server name/],
    [80, /^the TLS handshake with 127\.0\.0\.1:\d+ failed: tlsv1 alert internal error$/],
  ];
  for (const [description, text] of told) {
    const server = createTcpServer((socket) =>
      socket.on('error', () => {}).once('data', () => socket.write(alert(description))),
    );
    const { message } = await failureOf(await listen(t, server), { serverName: 'server.example' });
    assert.match(message, text);
  }
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
