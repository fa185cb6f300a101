// Fronts by name, TLS ended by the nodes or passed through, mutual TLS, and the PROXY protocol, with programs of the
// field: curl, openssl, psql, redis-cli in front, haproxy in between, PostgreSQL, Redis and nginx behind.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type TLSSocket, connect as connectTls } from 'node:tls';
import type { DestinationInput } from '@postern/contracts';
import { tool } from '@postern/scripts/install';
import {
  type Cluster,
  type Endpoint,
  type ProcessResource,
  type ShownDestination,
  type Site,
  bootCluster,
  makeScratch,
  removeScratch,
  startHaproxy,
  startNginx,
  startPostgresql,
  startRedis,
  startSite,
  untilServed,
} from '@postern/test-cluster';
import { until } from '@postern/test-kit';
import { type Pair, TestCa, storeCertificate } from './fixture/certificate-store.ts';
import { patience } from './fault/patience.ts';
import { run } from './fixture/run.ts';
import { type LogLine, toldAfter } from './fixture/told.ts';

const balancer = '127.0.0.99';
const replacedWithinMs = 2_000;

let cluster: Cluster;
let site: Site;
let folder: string;
let resources: Record<'postgresql' | 'redis' | 'nginx' | 'introduced', ProcessResource>;
let cas: Record<'server' | 'client' | 'other', TestCa>;
let certificateIds: { front: string; clients: string };
const destinations = new Map<string, ShownDestination>();

before(async () => {
  folder = await makeScratch('tls-fronts');
  const [server, client, other] = await Promise.all([
    TestCa.make('Server CA'),
    TestCa.make('Client CA'),
    TestCa.make('Other CA'),
  ]);
  cas = { server, client, other };
  const databasePair = await server.issue({ names: ['db.corp.example'], usage: 'server' });
  const [postgresql, redis, nginx, introduced, booted] = await Promise.all([
    startPostgresql(databasePair),
    startRedis(),
    startNginx(),
    startNginx({ proxyProtocol: true }),
    bootCluster({
      nodes: 2,
      args: { edge: ['--trusted-balancers', balancer, '--proxy-protocol-ports', '1-65535'] },
    }),
  ]);
  resources = { postgresql, redis, nginx, introduced };
  cluster = booted;
  const frontPair = await server.issue({ names: ['a.corp.example', '*.corp.example'], usage: 'server' });
  certificateIds = {
    front: (await storeCertificate(cluster, frontPair)).id,
    clients: (await storeCertificate(cluster, { certPem: client.caPem })).id,
  };
  await keep('server-ca', server.caPem);
  site = await startSite(cluster, { resources });
  await Promise.all(Object.entries(fronts()).map(([name, input]) => make(name, input)));
  await untilServed(cluster, [...destinations.values()]);
});
after(async () => {
  await site?.stop();
  await cluster?.stop();
  await Promise.all(Object.values(resources ?? {}).map((resource) => resource.stop()));
  removeScratch(folder);
});

type Front = NonNullable<DestinationInput['front']>;

/** Each is a front of one of the resources. */
function fronts(): Record<string, { to: keyof typeof resources; front: Front }> {
  const { front: certificateId, clients } = certificateIds;
  const own = { mode: 'server', certificateId } as const;
  const mutual = { mode: 'mutual' as const, certificateId, clientCaIds: [clients] };
  return {
    platform: { to: 'nginx', front: { tls: { mode: 'server' } } },
    exact: { to: 'nginx', front: { host: 'a.corp.example', tls: own } },
    wildcard: { to: 'redis', front: { host: '*.corp.example', tls: own } },
    database: { to: 'postgresql', front: { host: 'pg.corp.example', tls: own } },
    passed: {
      to: 'postgresql',
      front: { host: 'db.corp.example', port: 15_990, tls: { mode: 'passthrough' } },
    },
    mutual: { to: 'nginx', front: { host: 'm.corp.example', tls: { ...mutual, clientNames: ['CN:app-*'] } } },
    told: {
      to: 'introduced',
      front: { host: 't.corp.example', tls: own, proxyProtocol: 'v2', proxyProtocolFacts: true },
    },
    told1: { to: 'introduced', front: { proxyProtocol: 'v1' } },
  };
}

async function make(
  name: string,
  { to, front }: { to: keyof typeof resources; front: Front },
): Promise<void> {
  const { host, port } = resources[to];
  const made = await cluster.admin.createDestination(site.gateway.id, {
    name,
    resource: { host, port },
    front,
  });
  destinations.set(name, made);
}

function destination(name: string): ShownDestination {
  const found = destinations.get(name);
  assert.ok(found, name);
  return found;
}

function hostOf(name: string): string {
  return destination(name).front?.host ?? '';
}

function node(index = 0): Endpoint {
  return { host: cluster.nodeHosts[index] ?? '', port: cluster.layout.connectPort };
}

/** Writes a PEM file that programs read. */
async function keep(name: string, pem: string): Promise<string> {
  const path = join(folder, `${name}.pem`);
  await writeFile(path, pem, { mode: 0o600 });
  return path;
}

async function pairArguments(name: string, { certPem, keyPem }: Pair): Promise<string[]> {
  return ['--cert', await keep(`${name}-cert`, certPem), '--key', await keep(`${name}-key`, keyPem)];
}

/** curl, to a name that leads to a node. */
function curl(host: string, path: string, more: readonly string[] = [], at = node()): Promise<string> {
  const { port } = at;
  const where = ['--resolve', `${host}:${port}:${at.host}`, '--cacert', join(folder, 'server-ca.pem')];
  return run('curl', ['-sS', '--max-time', '20', ...where, ...more, `https://${host}:${port}${path}`]);
}

function sClient(serverName: string | null, { host, port }: Endpoint): string[] {
  const name = serverName === null ? ['-noservername'] : ['-servername', serverName];
  return ['s_client', '-connect', `${host}:${port}`, ...name];
}

/** The names and issuer of the certificate that a node shows for a name. */
async function shown(serverName: string | null, at = node()): Promise<string> {
  const printed = await run('openssl', sClient(serverName, at));
  return run(
    'openssl',
    ['x509', '-noout', '-fingerprint', '-sha256', '-issuer', '-ext', 'subjectAltName'],
    printed,
  );
}

/** What a node tells of a caller that was turned away: the line of its log, and the same in its status. */
async function refusalOf(name: string, call: () => Promise<unknown>): Promise<LogLine> {
  const { id } = destination(name);
  const line = await toldAfter(
    cluster.part('edge-1'),
    [`"destinationId":"${id}"`, '"code":"EDGE_'],
    async () => {
      await assert.rejects(call());
    },
  );
  const { opsUrl } = cluster.processes.find((one) => one.name === 'edge-1') ?? {};
  const status = (await (await fetch(`${opsUrl}/status`)).json()) as {
    parts: {
      edge: {
        fronts: { shown: { destinationId: string; lastRefusals: { code: string; text: string }[] }[] };
      };
    };
  };
  const last = status.parts.edge.fronts.shown.find((one) => one.destinationId === id)?.lastRefusals.at(-1);
  assert.equal(last?.code, line['code']);
  assert.ok(String(line.msg).endsWith(last?.text ?? '?'));
  return line;
}

/** A caller of `a.corp.example` at a node, with a session that it was given before. */
async function callWith(at: Endpoint, session?: Buffer): Promise<TLSSocket> {
  const ca = cas.server.caPem;
  const options = { ...at, servername: 'a.corp.example', ca };
  const socket = connectTls(session === undefined ? options : { ...options, session });
  await once(socket, 'secureConnect');
  return socket;
}

/** The session that a node gives to a new caller. */
async function sessionAt(at: Endpoint): Promise<Buffer> {
  const socket = await callWith(at);
  const [session] = (await once(socket, 'session')) as [Buffer];
  socket.destroy();
  return session;
}

test('a caller’s TLS session goes on at another node than the one that gave it', async () => {
  for (const [from, to] of [
    [0, 1],
    [1, 0],
  ]) {
    const isReused = async (): Promise<boolean> => {
      const socket = await callWith(node(to), await sessionAt(node(from)));
      const reused = socket.isSessionReused();
      socket.destroy();
      return reused;
    };
    await until(isReused, (reused) => reused);
  }
});

test('several names share one port of every node, the exact one before the wildcard, and an unknown one is the platform’s', async () => {
  for (const at of [node(0), node(1)]) {
    assert.equal(await curl('a.corp.example', '/', [], at), 'hello from behind the gateway\n');
    const platform = ['--cacert', cluster.caFile];
    assert.equal(await curl(hostOf('platform'), '/', platform, at), 'hello from behind the gateway\n');
    assert.match(await shown('a.corp.example', at), /Server CA[^]*a\.corp\.example/);
    for (const name of ['unknown.example', 'x.y.corp.example', 'corp.example', 'localhost', null]) {
      const certificate = await shown(name, at);
      assert.match(certificate, /Postern[^]*DNS:localhost/, String(name));
      assert.doesNotMatch(certificate, /corp\.example/);
    }
    assert.match(
      await run('curl', ['-sSk', `https://${at.host}:${at.port}/`, '-H', 'host: a.corp.example']),
      /EDGE_CALL_NOT_FOUND/,
    );
  }
});

test('redis-cli speaks TLS to a name of a wildcard', async () => {
  const { host, port } = node();
  const at = ['-h', host, '-p', String(port), '--tls', '--sni', 'cache.corp.example'];
  const redis = (...more: string[]) =>
    run(tool('redis-cli'), [...at, '--cacert', join(folder, 'server-ca.pem'), ...more]);
  assert.equal(await redis('set', 'greeting', 'hello'), 'OK\n');
  assert.equal(await redis('get', 'greeting'), 'hello\n');
});

test('psql verifies the certificate of a front, and that of the database behind one that passes TLS through', async () => {
  const psql = (host: string, hostaddr: string, port: number, sql: string) => {
    const where = { host, hostaddr, port, user: 'postgres', dbname: 'postgres' };
    const trust = { sslmode: 'verify-full', sslrootcert: join(folder, 'server-ca.pem') };
    const words = Object.entries({ ...where, ...trust }).map(([key, value]) => `${key}=${value}`);
    return run(tool('psql'), [words.join(' '), '-v', 'ON_ERROR_STOP=1', '-Atc', sql]);
  };
  const many = 'select count(*), sum(i) from generate_series(1, 100000) i';
  const isTls = 'select ssl from pg_stat_ssl where pid = pg_backend_pid()';
  const { host, port } = node();
  assert.equal(await psql('pg.corp.example', host, port, many), '100000|5000050000\n');
  assert.equal(await psql('pg.corp.example', host, port, isTls), 'f\n');
  assert.equal(await psql('db.corp.example', host, 15_990, many), '100000|5000050000\n');
  assert.equal(await psql('db.corp.example', host, 15_990, isTls), 't\n');
  await assert.rejects(psql('other.example', host, 15_990, isTls), /does not match host name/);
});

test('mutual TLS lets in who has a certificate of the client CA, and says of all others what is wrong', async () => {
  const { client, other } = cas;
  const call = async (name: string, pair: Pair | null) =>
    curl('m.corp.example', '/', pair === null ? [] : await pairArguments(name, pair));
  const right = await client.issue({ commonName: 'app-1', usage: 'client' });
  assert.equal(await call('right', right), 'hello from behind the gateway\n');
  const expired = await client.issue({
    commonName: 'app-2',
    usage: 'client',
    notAfter: new Date(Date.now() - 60_000),
  });
  const wrong: [RegExp, Pair | null][] = [
    [/showed no certificate/, null],
    [/\(CN=app-2\) expired on \d{4}-/, expired],
    [
      /\(CN=app-3\) is signed by CN=Other CA, which is not one of the client CAs/,
      await other.issue({ commonName: 'app-3', usage: 'client' }),
    ],
    [
      /\(CN=app-4\) is not meant for TLS clients/,
      await client.issue({ commonName: 'app-4', names: ['x'], usage: 'server' }),
    ],
    [/\(CN=guest\) is valid, and none of/, await client.issue({ commonName: 'guest', usage: 'client' })],
  ];
  for (const [index, [cause, pair]] of wrong.entries()) {
    const line = await refusalOf('mutual', () => call(`wrong-${index}`, pair));
    assert.equal(line['code'], 'EDGE_CLIENT_CERTIFICATE');
    assert.match(String(line.msg), cause);
  }
});

test('what a caller does wrong in a handshake is told', async () => {
  const disbelief = await refusalOf('exact', () => curl('a.corp.example', '/', ['--cacert', cluster.caFile]));
  assert.equal(disbelief['code'], 'EDGE_TLS_HANDSHAKE');
  assert.match(String(disbelief.msg), /does not believe the front's certificate/);
  const { host, port } = node();
  const old = await refusalOf('exact', () =>
    run('openssl', [...sClient('a.corp.example', { host, port }), '-tls1_1', '-cipher', 'ALL:@SECLEVEL=0']),
  );
  assert.match(String(old.msg), /TLS 1\.2 or later is needed/);
});

test('a balancer that is trusted says who calls, and the resource is told the same', async () => {
  const { host, port } = node();
  const front = { host, port: destination('told1').front?.port ?? 0 };
  const plain = async (through: Endpoint): Promise<string> =>
    run('curl', ['-sS', '--interface', '127.0.0.5', `http://${through.host}:${through.port}/caller`]);
  assert.match(await plain(front), /^127\.0\.0\.5 \d+\n$/);
  for (const version of [1, 2] as const) {
    await using haproxy = await startHaproxy({ target: front, source: balancer, version });
    assert.match(await plain(haproxy), /^127\.0\.0\.5 \d+\n$/);
  }
  await using haproxy = await startHaproxy({ target: { host, port }, source: balancer, version: 2 });
  const through = ['--interface', '127.0.0.5'];
  assert.match(await curl('t.corp.example', '/caller', through, haproxy), /^127\.0\.0\.5 \d+\n$/);
});

test('source rules see the address that the balancer tells', async () => {
  const { host, port } = node();
  await using haproxy = await startHaproxy({ target: { host, port }, source: balancer, version: 2 });
  const { id } = destination('exact');
  const rules = [{ source: '127.0.0.6' }];
  await cluster.admin.putSourceRules(site.gateway.id, id, { restricted: true, rules });
  const from = (address: string) => curl('a.corp.example', '/', ['--interface', address], haproxy);
  await until(
    () => from('127.0.0.5').catch(() => 'refused'),
    (answer) => answer === 'refused',
  );
  assert.equal(await from('127.0.0.6'), 'hello from behind the gateway\n');
  const line = await refusalOf('exact', () => from('127.0.0.5'));
  assert.equal(line['code'], 'EDGE_SOURCE_DENIED');
  assert.match(String(line['caller']), /^127\.0\.0\.5:/);
  await cluster.admin.putSourceRules(site.gateway.id, id, { restricted: false });
  await Promise.all(
    [node(0), node(1)].map((at) =>
      until(
        () => curl('a.corp.example', '/', [], at).catch(() => 'refused'),
        (answer) => answer !== 'refused',
      ),
    ),
  );
});

test('a balancer that is trusted and does not say who calls is turned away', async () => {
  const { host } = node();
  const port = destination('told1').front?.port ?? 0;
  const line = await refusalOf('told1', () =>
    run('curl', ['-sS', '--interface', balancer, `http://${host}:${port}/caller`]),
  );
  assert.equal(line['code'], 'EDGE_PROXY_HEADER');
});

test('a certificate that is replaced is shown by every node within two seconds, and open connections stay', async () => {
  const open = openTls('a.corp.example', node());
  await open.said('verify return:1');
  const former = await shown('a.corp.example');
  const renewed = await cas.server.issue({ names: ['a.corp.example', '*.corp.example'], usage: 'server' });
  const at = Date.now();
  await storeCertificate(cluster, renewed, certificateIds.front);
  for (const place of [node(0), node(1)]) {
    await until(
      () => shown('a.corp.example', place),
      (certificate) => certificate !== former,
    );
    assert.ok(Date.now() - at < replacedWithinMs * patience, `${Date.now() - at} ms`);
  }
  open.send('GET / HTTP/1.0\r\n\r\n');
  await open.said('hello from behind the gateway');
  await open.end();
});

/** A caller that stays: `openssl s_client`. */
function openTls(serverName: string, at: Endpoint) {
  const trust = ['-CAfile', join(folder, 'server-ca.pem')];
  const words = [...sClient(serverName, at), '-quiet', '-no_ign_eof', ...trust];
  const child: ChildProcess = spawn('openssl', words);
  let printed = '';
  const take = (text: Buffer): void => void (printed += String(text));
  child.stdout?.on('data', take);
  child.stderr?.on('data', take);
  return {
    send: (text: string) => child.stdin?.write(text),
    said: (text: string) =>
      until(
        () => printed,
        (all) => all.includes(text),
      ),
    end: async () => {
      child.kill();
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    },
  };
}
