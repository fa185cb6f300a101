import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { connect } from 'node:net';
import { connect as connectTls, type PeerCertificate } from 'node:tls';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { MemoryHub } from '@postern/bus';
import { ServiceError, answer, issueServerCertificate, verifyApiKey } from '@postern/contracts';
import { openSqlite, type Store } from '@postern/store';
import { ExitError } from '@postern/telemetry';
import { createAuthority, describeCertificate, loadAuthority, type Authority } from '@postern/tls';
import { program } from './config.ts';
import { connectionsMax } from './http/server.ts';
import { createAdmin, type AdminService } from './service.ts';

const settings = program.resolve(
  ['--nats-url', 'nats://127.0.0.1', '--mongodb-url', 'mongodb://127.0.0.1', '--port', '0'],
  {},
);
assert(settings.kind === 'run');
const options = settings.settings;

describe('admin as a service', () => {
  let hub: MemoryHub;
  let store: Store;
  let authority: Authority;
  let admin: AdminService;
  let issued: number;
  /** How long the next certificate's holder waits before it asks for another. */
  let renewInMs: number;

  beforeEach(async () => {
    hub = new MemoryHub();
    store = openSqlite(':memory:');
    authority = loadAuthority(await createAuthority({ commonName: 'Test CA' }));
    issued = 0;
    renewInMs = 86_400_000;
    answer(hub.connect(), verifyApiKey, () => {
      throw new ServiceError({ code: 'ACL_API_KEY_WRONG', message: 'unknown', status: 401 });
    });
    admin = createAdmin({ bus: hub.connect(), store, options, version: '0.0.0' });
  });
  afterEach(async () => {
    await admin.stop();
    await store.close();
  });

  function serveCertificates(): void {
    answer(hub.connect(), issueServerCertificate, async ({ csrPem, names, addresses, holder }) => {
      assert.deepEqual(holder, { kind: 'service', name: 'admin' });
      issued += 1;
      const notAfter = new Date(Date.now() + 86_400_000);
      const chainPem = await authority.issue({ csrPem, names, addresses, usage: 'server', notAfter });
      return {
        chainPem,
        caPem: authority.certificatePem,
        fingerprint: describeCertificate(chainPem).fingerprint,
        notBefore: new Date().toISOString(),
        notAfter: notAfter.toISOString(),
        renewAt: new Date(Date.now() + renewInMs).toISOString(),
      };
    });
  }

  it('is served over TLS with a certificate that the platform’s CA signed', async () => {
    serveCertificates();
    await admin.start();
    assert.equal(admin.ready().ready, true);
    const answered = await get(`${admin.url}/api/v1/openapi.json`, authority.certificatePem);
    assert.equal(answered.status, 200);
    const refused = await get(`${admin.url}/api/v1/gateways`, authority.certificatePem);
    assert.equal(refused.status, 401);
    assert.match(refused.type, /problem\+json/);
  });

  it('waits for certstore, says so, and listens when it has come', async () => {
    const started = admin.start();
    assert.deepEqual(admin.ready().waitingFor, ['certificate', 'listening']);
    serveCertificates();
    await started;
    assert.equal(admin.ready().ready, true);
  });

  it('can be stopped while it waits', async () => {
    const started = admin.start();
    await admin.stop();
    await started;
    assert.equal(admin.url, null);
  });

  it('takes a new certificate for new handshakes when two thirds of the old one are over', async () => {
    serveCertificates();
    renewInMs = -1;
    const [due, renewed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const waits = [due.promise, new Promise<void>(() => undefined)];
    const wait = (): Promise<void> => {
      if (waits.length === 1) renewed.resolve();
      return waits.shift() ?? Promise.reject(new Error('a third wait'));
    };
    admin = createAdmin({ bus: hub.connect(), store, options, version: '0.0.0', wait });
    await admin.start();
    const first = await certificateOf(admin.url ?? '', authority.certificatePem);
    renewInMs = 86_400_000;
    due.resolve();
    await renewed.promise;
    const second = await certificateOf(admin.url ?? '', authority.certificatePem);
    assert.equal(issued, 2);
    assert.notEqual(second.fingerprint256, first.fingerprint256);
    assert.notEqual(second.pubkey?.toString('hex'), first.pubkey?.toString('hex'));
  });

  it('ends with 78 when its port is taken', async () => {
    serveCertificates();
    await admin.start();
    const port = Number(new URL(admin.url ?? '').port);
    const second = createAdmin({
      bus: hub.connect(),
      store,
      options: { ...options, port },
      version: '0.0.0',
    });
    await assert.rejects(
      second.start(),
      (error) =>
        error instanceof ExitError && error.exitCode === 78 && /ADMIN_LISTEN_FAILED/.test(error.message),
    );
    await second.stop();
  });

  it('answers a head that is no HTTP, or too long, with a problem and cuts the connection', async () => {
    serveCertificates();
    await admin.start();
    const garbage = await exchange(admin.url ?? '', authority.certificatePem, 'NONSENSE\r\n\r\n');
    assert.match(garbage, /^HTTP\/1\.1 400 .*ADMIN_REQUEST_MALFORMED/s);
    const head = `GET / HTTP/1.1\r\nhost: x\r\nx-long: ${'y'.repeat(20_000)}\r\n\r\n`;
    const long = await exchange(admin.url ?? '', authority.certificatePem, head);
    assert.match(long, /^HTTP\/1\.1 431 .*ADMIN_HEADERS_TOO_LARGE/s);
  });

  it('is there for others, however many connections one address holds', async () => {
    serveCertificates();
    await admin.start();
    const { hostname: host, port } = new URL(admin.url ?? '');
    const held = Array.from({ length: connectionsMax + 10 }, () =>
      connect({ host, port: Number(port) }).on('error', () => {}),
    );
    await Promise.all(held.map((socket) => once(socket, 'connect')));
    const ca = authority.certificatePem;
    const socket = connect({ host, port: Number(port), localAddress: '127.0.0.2' });
    const other = connectTls({ socket, ca, servername: 'localhost' });
    await once(other, 'secureConnect');
    other.destroy();
    for (const one of held) one.destroy();
  });

  it('cuts a call that never comes to its end when it is stopped', async () => {
    serveCertificates();
    admin = createAdmin({ bus: hub.connect(), store, options, version: '0.0.0', stopWithinMs: 1 });
    await admin.start();
    const { hostname: host, port } = new URL(admin.url ?? '');
    const socket = connectTls({ host, port: Number(port), ca: authority.certificatePem });
    const closed = once(
      socket.on('error', () => undefined),
      'close',
    );
    await once(socket, 'secureConnect');
    // The answer says that the server has the connection; the next request on it stays without an end.
    socket.write('GET /api/v1/openapi.json HTTP/1.1\r\nhost: x\r\n\r\nGET / HTTP/1.1\r\n');
    await once(socket, 'data');
    socket.resume();
    await admin.stop();
    await closed;
  });

  it('lets go of its port and of every connection when it is stopped, twice too', async () => {
    serveCertificates();
    await admin.start();
    const { port } = new URL(admin.url ?? '');
    await get(`${admin.url}/api/v1/openapi.json`, authority.certificatePem);
    await admin.stop();
    await admin.stop();
    const socket = connect(Number(port), '127.0.0.1');
    await assert.rejects(once(socket, 'connect'), /ECONNREFUSED/);
  });
});

async function get(url: string, ca: string): Promise<{ status: number; type: string }> {
  const outgoing = request(url, { ca, agent: false });
  outgoing.end();
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
  incoming.resume();
  await once(incoming, 'end');
  return { status: incoming.statusCode ?? 0, type: incoming.headers['content-type'] ?? '' };
}

async function certificateOf(url: string, ca: string): Promise<PeerCertificate> {
  const { hostname: host, port } = new URL(url);
  const socket = connectTls({ host, port: Number(port), ca });
  await once(socket, 'secureConnect');
  const certificate = socket.getPeerCertificate();
  socket.destroy();
  return certificate;
}

async function exchange(url: string, ca: string, text: string): Promise<string> {
  const { hostname: host, port } = new URL(url);
  const socket = connectTls({ host, port: Number(port), ca });
  await once(socket, 'secureConnect');
  socket.write(text);
  let answered = '';
  for await (const chunk of socket) answered += String(chunk);
  return answered;
}
