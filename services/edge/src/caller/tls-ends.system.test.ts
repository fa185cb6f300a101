import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, type Socket, connect as connectTcp, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type ConnectionOptions, type TLSSocket, connect } from 'node:tls';
import type { FrontRoute } from '@postern/contracts';
import type { HeldCertificate } from '@postern/kept-certificate';
import { silentLogger } from '@postern/telemetry';
import { createAuthority } from '@postern/tls';
import { resetSocket } from '@postern/tunnel';
import { TurnedAway } from '../errors.ts';
import { frontOf, routeOf } from '../fixture/documents.ts';
import { TestAuthority } from '../fixture/authority.ts';
import { RevocationLists } from '../certificate/revocation-lists.ts';
import { type EndedTls, type FrontMaterial, TlsEnds } from './tls-ends.ts';

const dayMs = 86_400_000;
const materials = new Map<string, FrontMaterial>();
const lists = new RevocationLists({
  hosts: ['127.0.0.1'],
  certificates: { get: (id) => materials.get(id), observe: () => () => {} },
  logger: silentLogger,
});
type Secret = { revision: number; secret: string } | null;

/** The ends of a node that has this secret for session tickets. */
const endsWith = (sessionTickets: () => Secret, platform: HeldCertificate | null = null): TlsEnds =>
  new TlsEnds({
    certificates: {
      get: (id) => materials.get(id),
      refusal: () => undefined,
      get sessionTickets() {
        return sessionTickets();
      },
    },
    platformCertificate: () => platform,
    revocationLists: lists,
  });
const ends = endsWith(() => null);
let serverCa: TestAuthority;
let clientCa: TestAuthority;
let otherCa: TestAuthority;

before(async () => {
  [serverCa, clientCa, otherCa] = (await Promise.all(
    ['Server CA', 'Client CA', 'Other CA'].map((name) => TestAuthority.make(name)),
  )) as [TestAuthority, TestAuthority, TestAuthority];
  materials.set('front', await pairOf(1));
  materials.set('clients', caOf(clientCa));
});
after(() => {
  lists.stop();
  for (const authority of [serverCa, clientCa, otherCa]) authority.remove();
});

async function pairOf(revision: number): Promise<FrontMaterial> {
  const { certPem, keyPem } = await serverCa.issue({ names: ['front.example'], usage: 'server' });
  return { id: 'front', revision, chainPem: certPem, keyPem, notAfter: later() };
}

function caOf(authority: TestAuthority): FrontMaterial {
  return { id: 'clients', revision: 1, chainPem: authority.caPem, keyPem: null, notAfter: later() };
}

/** Of nobody, signed by nobody: Node knows no issuer of it. */
function nameless(): { cert: string; key: string } {
  const arguments_ = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj / -keyout - -out -';
  const pem = execFileSync('openssl', arguments_.split(' '), {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return { cert: pem, key: pem };
}

/** With a key that OpenSSL no longer believes, signed by that CA. */
function weakPair(authority: TestAuthority): { cert: string; key: string; ciphers: string } {
  const folder = mkdtempSync(join(tmpdir(), 'postern-weak-'));
  const openssl = (words: string): string =>
    execFileSync('openssl', words.split(' '), {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  try {
    writeFileSync(join(folder, 'ca.pem'), authority.caPem);
    writeFileSync(join(folder, 'ca.key'), authority.keyPem);
    openssl('req -new -nodes -newkey rsa:1024 -keyout key -out csr -subj /CN=weak');
    const cert = openssl('x509 -req -in csr -CA ca.pem -CAkey ca.key -set_serial 7 -sha256 -days 2');
    return { cert, key: readFileSync(join(folder, 'key'), 'utf8'), ciphers: 'DEFAULT@SECLEVEL=0' };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function later(): string {
  return new Date(Date.now() + dayMs).toISOString();
}

function routeWith(tls: Partial<FrontRoute['front']['tls']>, protocol: 'tcp' | 'http' = 'tcp'): FrontRoute {
  return routeOf({ front: frontOf({ protocol, tls: { ...frontOf().tls, certificateId: 'front', ...tls } }) });
}

const mutual = (change: Partial<FrontRoute['front']['tls']> = {}): FrontRoute =>
  routeWith({ mode: 'mutual', clientCaIds: ['clients'], ...change });

interface Met {
  ended: EndedTls | null;
  fault: string;
  caller: TLSSocket;
  /** The session that the caller may resume with. */
  session: Buffer | null;
}

/** One caller at an end of the route; the end echoes to whom it lets in. */
async function meet(route: FrontRoute, options: ConnectionOptions = {}, at = ends): Promise<Met> {
  const met = Promise.withResolvers<Pick<Met, 'ended' | 'fault'>>();
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket: Socket) => {
    server.close();
    at.end(route, socket).then(
      (ended) => {
        ended.socket.pipe(ended.socket);
        met.resolve({ ended, fault: '' });
      },
      (error: unknown) => {
        assert.ok(error instanceof TurnedAway, String(error));
        resetSocket(socket);
        met.resolve({
          ended: null,
          fault: error.why === null ? 'gone' : `${error.why.code}: ${error.why.text}`,
        });
      },
    );
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const caller = connect({
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    servername: 'front.example',
    ca: serverCa.caPem,
    ...options,
  });
  let session: Buffer | null = null;
  caller.on('session', (given: Buffer) => (session = given));
  caller.on('error', () => {});
  const result = await met.promise;
  if (result.ended === null) {
    if (!caller.closed) await once(caller, 'close').catch(() => {});
  } else {
    caller.write('hello');
    const [echoed] = (await once(caller, 'data')) as [Buffer];
    assert.equal(String(echoed), 'hello');
  }
  return { ...result, caller, session };
}

async function faultOf(route: FrontRoute, options: ConnectionOptions): Promise<string> {
  const { fault, caller } = await meet(route, options);
  caller.destroy();
  return fault;
}

test('a caller with a certificate of the client CA is let in, and its own certificate is known', async () => {
  const { certPem, keyPem } = await clientCa.issue({ commonName: 'app-7', usage: 'client' });
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const { ended, caller } = await meet(mutual(), {
      cert: certPem,
      key: keyPem,
      minVersion: version,
      maxVersion: version,
    });
    assert.equal(ended?.tls.certificate?.subject, 'CN=app-7');
    assert.equal(ended.tls.version, version);
    assert.equal(ended.serverName, 'front.example');
    caller.destroy();
  }
});

test('each fault of a caller’s certificate is told in plain words', async () => {
  const pair = async (authority: TestAuthority, change: Parameters<TestAuthority['issue']>[0]) => {
    const { certPem, keyPem } = await authority.issue({ commonName: 'app', usage: 'client', ...change });
    return { cert: certPem, key: keyPem };
  };
  const yesterday = new Date(Date.now() - dayMs);
  const wrong: [RegExp, ConnectionOptions][] = [
    [/showed no certificate, and this front asks for one/, {}],
    [
      /\(CN=app\) expired on \d{4}-\d\d-\d\dT/,
      await pair(clientCa, { notBefore: new Date(Date.now() - 2 * dayMs), notAfter: yesterday }),
    ],
    [
      /\(CN=app\) is valid from/,
      await pair(clientCa, {
        notBefore: new Date(Date.now() + dayMs),
        notAfter: new Date(Date.now() + 2 * dayMs),
      }),
    ],
    [/is signed by CN=Other CA, which is not one of the client CAs/, await pair(otherCa, {})],
    [/is signed by itself/, { cert: otherCa.caPem, key: otherCa.keyPem }],
    [/without a subject\) is signed by itself/, nameless()],
    [/is not believed any more: CN=weak has a weak key: .* at least 2048 bits/, weakPair(clientCa)],
    [/not meant for TLS clients/, await pair(clientCa, { usage: 'server', names: ['a.example'] })],
  ];
  for (const [expected, options] of wrong) {
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const fault = await faultOf(mutual(), { ...options, maxVersion });
      assert.match(fault, /^EDGE_CLIENT_CERTIFICATE: /);
      assert.match(fault, expected);
    }
  }
});

test('a client CA that is no root wants the CA above it among the client CAs, and the fault says so', async () => {
  const { certPem: cert, keyPem: key } = await clientCa.issue({ commonName: 'app', usage: 'client' });
  materials.set('middle', { ...caOf(clientCa), id: 'middle', chainPem: await clientCa.signedBy(otherCa) });
  const fault = await faultOf(mutual({ clientCaIds: ['middle'] }), { cert, key });
  assert.match(fault, /leads to a client CA that is no root, .*: add those above it, up to the root/);
});

test('a CA of the same name with another key lets nobody in', async () => {
  const impostor = await TestAuthority.make('Client CA');
  const { certPem, keyPem } = await impostor.issue({ commonName: 'app', usage: 'client' });
  assert.match(await faultOf(mutual(), { cert: certPem, key: keyPem }), /EDGE_CLIENT_CERTIFICATE/);
  impostor.remove();
});

test('of the names in a certificate one must match the patterns, each by its own kind', async () => {
  const { certPem: cert, keyPem: key } = await clientCa.issue({
    commonName: 'app-7',
    names: ['app-7.corp.example'],
    usage: 'client',
  });
  const allowed = async (...clientNames: string[]) =>
    (await faultOf(mutual({ clientNames }), { cert, key })) === '';
  for (const pattern of ['CN:app-7', 'CN:app-*', 'DNS:*.corp.example', 'dns:APP-7.corp.example', 'CN:*']) {
    assert.equal(await allowed('O:nobody', pattern), true, pattern);
  }
  for (const pattern of [
    'CN:app',
    'CN:pp-7',
    'CN:app-7.corp.example',
    'DNS:*.example',
    'DNS:app-7',
    'CN:app.7',
  ]) {
    assert.equal(await allowed(pattern), false, pattern);
  }
  assert.match(
    await faultOf(mutual({ clientNames: ['CN:x'] }), { cert, key }),
    /\(CN=app-7\) is valid, and none of the destination's clientNames matches/,
  );
});

test('a revoked certificate is refused, by a list in the settings and by one at a URL', async (t) => {
  const good = await clientCa.issue({ commonName: 'good', usage: 'client' });
  const bad = await clientCa.issue({ commonName: 'bad', usage: 'client' });
  const list = await clientCa.revocationList([bad.certPem]);
  const server = createHttpServer((_request, response) => response.end(list)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const byUrl = mutual({ revocationListUrls: [`http://127.0.0.1:${port}/ca.crl`] });
  assert.match(
    await faultOf(byUrl, { cert: good.certPem, key: good.keyPem }),
    /EDGE_REVOCATION_LIST: .*not fetched yet/,
  );
  assert.match(ends.whyNot(byUrl) ?? '', /not fetched yet/, 'the front does not say that it serves');
  lists.apply('d1', byUrl);
  const first = async (): Promise<string> => faultOf(byUrl, { cert: good.certPem, key: good.keyPem });
  while ((await first()) !== '') await new Promise(setImmediate);
  assert.equal(ends.whyNot(byUrl), null);
  for (const route of [byUrl, mutual({ revocationLists: [list] })]) {
    assert.equal(await faultOf(route, { cert: good.certPem, key: good.keyPem }), '');
    const fault = await faultOf(route, { cert: bad.certPem, key: bad.keyPem });
    assert.match(fault, /\(CN=bad\) was revoked by CN=Client CA/);
  }
  lists.apply('d1', null);
});

test('a list of another CA, one that is no list, and one from a host that is not named let nobody in', async () => {
  const { certPem: cert, keyPem: key } = await clientCa.issue({ commonName: 'app', usage: 'client' });
  const foreign = await otherCa.revocationList([]);
  assert.match(
    await faultOf(mutual({ revocationLists: [foreign] }), { cert, key }),
    /cannot be checked: there is no revocation list for every CA above it \(it is signed by CN=Client CA\)/,
  );
  const broken = mutual({ revocationLists: ['-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n'] });
  assert.match(await faultOf(broken, { cert, key }), /EDGE_FRONT_CERTIFICATE: .*cannot be used together/);
  const elsewhere = mutual({ revocationListUrls: ['http://localhost:1/ca.crl'] });
  lists.apply('d2', elsewhere);
  const route = { ...elsewhere, id: 'd2' };
  let fault = await faultOf(route, { cert, key });
  while (/not fetched yet/.test(fault)) fault = await faultOf(route, { cert, key });
  assert.match(fault, /revocationListHosts does not name the host localhost/);
  lists.apply('d2', null);
});

test('a front whose list the node may not fetch says so at once, before its certificates are here', async () => {
  const tls = { clientCaIds: ['none'], revocationListUrls: ['http://localhost:1/ca.crl'] };
  const route = { ...mutual(tls), id: 'd3' };
  lists.apply('d3', route);
  await new Promise(setImmediate);
  const none = endsWith(() => null);
  assert.match(none.whyNot(route) ?? '', /revocationListHosts does not name the host localhost/);
  lists.apply('d3', null);
});

test('a front whose TLS is not mutual asks for no certificate and needs no client CA; one without TLS needs nothing', async () => {
  const { certPem: cert, keyPem: key } = await otherCa.issue({ commonName: 'app', usage: 'client' });
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const route = routeWith({ mode: 'server', clientCaIds: ['missing'] });
    const { ended, caller } = await meet(route, { cert, key, maxVersion });
    assert.equal(ended?.socket.getPeerX509Certificate(), undefined);
    caller.destroy();
  }
  for (const mode of ['none', 'passthrough'] as const)
    assert.equal(ends.whyNot(routeWith({ mode, certificateId: 'missing' })), null);
  assert.match(
    ends.whyNot(routeWith({ mode: 'server', certificateId: 'missing' })) ?? '',
    /not at this node/,
  );
});

test('a front that names no certificate shows the platform’s, and says so while there is none', async () => {
  const { certPem: chainPem, keyPem } = await serverCa.issue({ names: ['front.example'], usage: 'server' });
  const { fingerprint256: fingerprint } = new X509Certificate(chainPem);
  const held = { chainPem, keyPem, fingerprint, notAfter: later() } as HeldCertificate;
  const route = routeWith({ mode: 'server', certificateId: null });
  const { caller } = await meet(
    route,
    {},
    endsWith(() => null, held),
  );
  assert.equal(caller.getPeerX509Certificate()?.fingerprint256, fingerprint);
  caller.destroy();
  assert.match(await faultOf(route, {}), /EDGE_FRONT_CERTIFICATE: the platform has no certificate yet/);
});

test('a destination that is gone leaves nothing behind, and a caller that goes in the handshake is told as no fault', async () => {
  const route = routeWith({ mode: 'server' });
  const { caller, session } = await meet(route, {});
  caller.destroy();
  assert.ok(session);
  ends.forget(route.id);
  const again = await meet(route, { session });
  assert.equal(again.caller.isSessionReused(), false);
  again.caller.destroy();
  const server = createServer((socket) => socket.end()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const gone = connectTcp((server.address() as AddressInfo).port, '127.0.0.1');
  await once(gone, 'connect');
  server.close();
  await assert.rejects(ends.end(route, gone), (error) => error instanceof TurnedAway && error.why === null);
});

test('a session is resumed at its own end, and never without the certificate that a front asks for', async () => {
  const { certPem: cert, keyPem: key } = await clientCa.issue({ commonName: 'app', usage: 'client' });
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const first = await meet(mutual(), { cert, key, maxVersion });
    const session = first.session ?? first.caller.getSession();
    assert.ok(session);
    first.caller.destroy();
    const again = await meet(mutual(), { cert, key, maxVersion, session });
    assert.equal(again.caller.isSessionReused(), true, maxVersion);
    assert.equal(again.ended?.tls.certificate?.subject, 'CN=app');
    again.caller.destroy();
    const elsewhere = await meet({ ...mutual(), id: 'd3' }, { cert, key, maxVersion, session });
    assert.equal(elsewhere.caller.isSessionReused(), false);
    elsewhere.caller.destroy();
    const bare = await meet(mutual(), { maxVersion });
    const refused = await meet(mutual(), {
      maxVersion,
      ...(bare.session === null ? {} : { session: bare.session }),
    });
    assert.match(refused.fault, /showed no certificate/);
  }
});

test('with the cluster’s secret a session is resumed at every node, but at no other destination, and not under the next secret', async () => {
  let secret: Secret = { revision: 1, secret: Buffer.alloc(32, 1).toString('base64') };
  const [one, other] = [endsWith(() => secret), endsWith(() => secret)];
  const { certPem: cert, keyPem: key } = await clientCa.issue({ commonName: 'app', usage: 'client' });
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const shown = { cert, key, maxVersion };
    const first = await meet(mutual(), shown, one);
    const session = first.session ?? first.caller.getSession();
    assert.ok(session);
    first.caller.destroy();
    const reused = async (route: FrontRoute, at: TlsEnds): Promise<boolean> => {
      const { caller } = await meet(route, { ...shown, session }, at);
      const isReused = caller.isSessionReused();
      caller.destroy();
      return isReused;
    };
    assert.equal(await reused(mutual(), other), true, maxVersion);
    assert.equal(await reused({ ...mutual(), id: 'd3' }, other), false);
    assert.equal(
      await reused(
        mutual({ clientNames: [], certificateId: 'front', mode: 'server', clientCaIds: [] }),
        other,
      ),
      false,
    );
    assert.equal(await reused(mutual(), ends), false);
    secret = { revision: secret.revision + 1, secret: Buffer.alloc(32, 2).toString('base64') };
    assert.equal(await reused(mutual(), other), false);
  }
});

test('a session is not resumed when a revocation list or a client CA has ended since', async (t) => {
  const secret = { revision: 1, secret: Buffer.alloc(32, 1).toString('base64') };
  const notAfter = new Date(Date.now() + 8 * dayMs);
  const { certPem: cert, keyPem: key } = await clientCa.issue({ usage: 'client', notAfter });
  const { certificatePem: chainPem } = await createAuthority({ commonName: 'Short CA', days: 2 });
  materials.set('short', { ...caOf(otherCa), id: 'short', chainPem });
  t.after(() => materials.delete('short'));
  // It lives for two days too.
  const list = await clientCa.revocationList([]);
  for (const route of [mutual({ revocationLists: [list] }), mutual({ clientCaIds: ['clients', 'short'] })]) {
    for (const at of [endsWith(() => null), endsWith(() => secret)]) {
      const first = await meet(route, { cert, key }, at);
      const { session } = first;
      first.caller.destroy();
      assert.ok(session);
      const reused = async (): Promise<boolean> => {
        const { caller } = await meet(route, { cert, key, session }, at);
        const isReused = caller.isSessionReused();
        caller.destroy();
        return isReused;
      };
      assert.equal(await reused(), true);
      t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 2 * dayMs + 1_000 });
      assert.equal(await reused(), false);
      t.mock.timers.reset();
    }
  }
});

test('a server name with a dot at its end is the name without it', async () => {
  const { ended, caller } = await meet(routeWith({ mode: 'server' }), { servername: 'Front.Example.' });
  caller.destroy();
  assert.equal(ended?.serverName, 'front.example');
});

test('a certificate that is replaced is taken by the next handshake, and what is open stays', async () => {
  const route = routeWith({ mode: 'server' });
  const open = await meet(route);
  const session = open.session ?? open.caller.getSession();
  assert.ok(session);
  const former = open.caller.getPeerX509Certificate()?.fingerprint256;
  materials.set('front', await pairOf(2));
  const next = await meet(route, { session });
  assert.notEqual(next.caller.getPeerX509Certificate()?.fingerprint256, former);
  assert.equal(next.caller.isSessionReused(), false);
  open.caller.write('still here');
  const [echoed] = (await once(open.caller, 'data')) as [Buffer];
  assert.equal(String(echoed), 'still here');
  for (const { caller } of [open, next]) caller.destroy();
});

test('a caller has no second handshake on its connection', async () => {
  for (const protocol of ['tcp', 'http'] as const) {
    const { caller } = await meet(routeWith({ mode: 'server' }, protocol), { maxVersion: 'TLSv1.2' });
    const refused = new Promise((resolve) => caller.once('error', resolve));
    const again = new Promise((resolve) => caller.renegotiate({}, resolve));
    const error = await Promise.race([refused, again]);
    caller.destroy();
    assert.equal((error as NodeJS.ErrnoException | null)?.code, 'ERR_SSL_NO_RENEGOTIATION');
  }
});

test('HTTP fronts agree on h2 or http/1.1, others on nothing', async () => {
  const agreed = async (protocol: 'tcp' | 'http', ALPNProtocols: string[]) => {
    const { ended, caller } = await meet(routeWith({ mode: 'server' }, protocol), { ALPNProtocols });
    caller.destroy();
    return ended?.tls.protocol;
  };
  assert.equal(await agreed('http', ['h2', 'http/1.1']), 'h2');
  assert.equal(await agreed('http', ['http/1.1']), 'http/1.1');
  assert.equal(await agreed('tcp', ['h2', 'http/1.1']), null);
});

test('a front whose certificate is missing, has no key, or is not that of its key, says so', async () => {
  const held = materials.get('front') as FrontMaterial;
  const faultWith = async (id: string, change: Partial<FrontMaterial> | null): Promise<string> => {
    if (change !== null) materials.set(id, { ...held, id, ...change });
    return faultOf(routeWith({ mode: 'server', certificateId: id }), {});
  };
  assert.match(await faultWith('missing', null), /EDGE_FRONT_CERTIFICATE: .*missing is not at this node yet/);
  assert.match(await faultWith('bare', { keyPem: null }), /has no private key/);
  const { keyPem } = await serverCa.issue({ names: ['x.example'], usage: 'server' });
  assert.match(await faultWith('mixed', { keyPem }), /cannot be used together: .*key values mismatch/);
});

test('what a caller does wrong in the handshake is told', async () => {
  const route = routeWith({ mode: 'server' });
  assert.match(
    await faultOf(route, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' }),
    /EDGE_TLS_HANDSHAKE: .*TLS 1\.2 or later/,
  );
  assert.match(
    await faultOf(route, { maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA' }),
    /EDGE_TLS_HANDSHAKE: the caller offers no cipher/,
  );
});
