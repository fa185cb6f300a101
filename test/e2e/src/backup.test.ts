// Backup and restore, as an operator does them: `postern backup` of a platform that is in use, on SQLite, and `postern
// restore` into an empty one on MongoDB, with two nodes, and back again. Files that are not whole are refused.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { connect } from 'node:tls';
import { gunzipSync } from 'node:zlib';
import {
  AdminClient,
  type Cluster,
  type ExchangeServer,
  type Platform,
  type ShownDestination,
  type Site,
  type StandaloneProcess,
  bootCluster,
  bootInProcess,
  bootStandalone,
  exchange,
  frontAt,
  makeScratch,
  removeScratch,
  startClient,
  startExchangeServer,
  startSite,
  untilServed,
} from '@postern/test-cluster';
import { until } from '@postern/test-kit';
import { MongoClient } from 'mongodb';
import { TestCa, storeCertificate } from './fixture/certificate-store.ts';

const cliMain = join(import.meta.dirname, '../../../apps/cli/src/main.ts');
const wanted = { sendBytes: 200_003, receiveBytes: 300_007, seed: 1 };
const secureHost = 'secure.corp.example';

let folder: string;
let file: string;
let resource: ExchangeServer;
let former: StandaloneProcess;
let site: Site;
let secure: ShownDestination;
let ca: TestCa;
let formerCa: string;
let apiKey: string;

before(async () => {
  folder = await makeScratch('backup');
  file = join(folder, 'first.backup');
  [resource, former, ca] = await Promise.all([
    startExchangeServer(),
    bootStandalone(),
    TestCa.make('Front CA'),
  ]);
  site = await startSite(former, { resources: { exchange: resource } });
  const pair = await ca.issue({ names: [secureHost], usage: 'server' });
  const { id: certificateId } = await storeCertificate(former, pair);
  secure = await former.admin.createDestination(site.gateway.id, {
    name: 'secure',
    resource: { host: resource.host, port: resource.port },
    front: { host: secureHost, port: 15_991, tls: { mode: 'server', certificateId } },
  });
  apiKey = (await former.admin.createApiKey({ name: 'kept', role: 'owner' })).key;
  formerCa = join(folder, 'former-ca.pem');
  await copyFile(former.caFile, formerCa);
});
after(async () => {
  await site?.stop();
  await former?.stop();
  await resource?.stop();
  removeScratch(folder);
});

test('a backup of a platform that is being changed is of one moment, and has no secret in clear', async () => {
  const changing = new AbortController();
  const changes = change(former, changing.signal);
  const taken = await postern(former, ['backup', file]);
  changing.abort();
  await changes;
  assert.equal(taken.code, 0, taken.stderr);
  assert.match(taken.stderr, /router: \d+ documents\nacl: \d+ documents\ncertstore: \d+ documents\n/);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  const contents = await contentsOf(file);
  const gateways = new Set(contents.get('gateways')?.map(({ id }) => id));
  const destinations = contents.get('destinations') ?? [];
  const fronts = new Set(contents.get('fronts')?.map(({ destinationId }) => destinationId));
  assert(destinations.length > 2);
  for (const { id, gatewayId } of destinations) assert(gateways.has(gatewayId) && fronts.has(id));
  const whole = JSON.stringify([...contents]);
  for (const secret of [site.token.token, apiKey, former.apiKey, 'PRIVATE KEY'])
    assert(!whole.includes(secret));
  const again = await postern(former, ['backup', file]);
  assert.deepEqual([again.code, codeOf(again)], [64, 'CLI_BACKUP_UNUSABLE']);
});

test('a file that was changed, cut short, made by a newer version, or is none, is refused with a sentence', async () => {
  const whole = await readFile(file);
  const changed = Buffer.from(whole);
  changed[whole.length - 100] = (whole[whole.length - 100] ?? 0) ^ 1;
  const newer = Buffer.from(
    whole.toString('latin1').replace('postern-backup 1 ', 'postern-backup 2 '),
    'latin1',
  );
  const files: Record<string, [Buffer, string, RegExp]> = {
    changed: [changed, 'CLI_BACKUP_DAMAGED', /digest is another/],
    short: [whole.subarray(0, -1), 'CLI_BACKUP_DAMAGED', /digest is another/],
    empty: [Buffer.alloc(0), 'CLI_BACKUP_DAMAGED', /no end/],
    other: [Buffer.from('#!/bin/sh\nexit 0\n'), 'CLI_BACKUP_DAMAGED', /does not begin/],
    newer: [newer, 'CLI_BACKUP_NEWER', /version 2, and this program knows 1/],
  };
  for (const [name, [bytes, code, words]] of Object.entries(files)) {
    const path = join(folder, name);
    await writeFile(path, bytes);
    const refused = await postern(former, ['restore', path, '--overwrite']);
    assert.deepEqual([refused.code, codeOf(refused)], [64, code], name);
    assert.match(refused.stderr, words);
  }
  const checked = await postern(former, ['--json', 'restore', file, '--check']);
  assert.equal(checked.code, 0, checked.stderr);
  assert.equal((JSON.parse(checked.stdout) as { state: string }).state, 'whole');
  assert.equal((await former.admin.destination(site.gateway.id, secure.id)).name, 'secure');
});

test('a platform without the key-encryption key says so and stays as it was', async () => {
  await using other = await bootInProcess();
  const refused = await postern(other, ['restore', file]);
  assert.deepEqual([refused.code, codeOf(refused)], [64, 'BACKUP_KEY_MISSING']);
  assert.match(refused.stderr, /put the key of the platform that was backed up below its own/);
  assert.deepEqual((await other.admin.call<{ items: unknown[] }>('GET', '/gateways')).items, []);
});

test('an empty cluster takes the place of the former platform, and that the place of the cluster', async () => {
  await using cluster = await emptyCluster();
  const restored = await postern(cluster, ['restore', file]);
  assert.equal(restored.code, 0, restored.stderr);
  const caPem = await readFile(formerCa, 'utf8');
  const admin = new AdminClient({ adminUrl: cluster.adminUrl, apiKey, caPem });
  try {
    // The API has a certificate of the former platform's CA, and knows its keys.
    await until(
      () => admin.gateway(site.gateway.id).catch(() => null),
      (gateway) => gateway !== null,
    );
    const same = await admin.destination(site.gateway.id, secure.id);
    assert.deepEqual([same.front?.host, same.front?.port], [secureHost, 15_991]);
    const former = site.destination('exchange');
    assert.deepEqual((await admin.destination(site.gateway.id, former.id)).front, former.front);
    assert.deepEqual((await admin.accessList(site.gateway.id)).rules.length, 1);
    await untilServed({ admin, nodeHosts: cluster.nodeHosts }, [former, secure]);
    await using client = await startClient({
      gatewayId: site.gateway.id,
      connectUrl: cluster.connectUrl,
      caFile: formerCa,
      token: site.token.token,
    });
    assert.notEqual(client.clientId, '');
    for (const node of cluster.nodeHosts.keys()) {
      const result = await exchange(frontAt(cluster, former, node), wanted);
      assert.equal(result.cause, null);
      assert.equal(await fingerprintAt(frontAt(cluster, secure, node)), await fingerprintOf(site.platform));
    }
    assert.deepEqual([...(await contentsOf(file)).keys()].sort(), await kept(cluster), 'none is forgotten');
    await backAgain(cluster, admin, caPem);
  } finally {
    admin.close();
  }
});

test('all documents are lost while the platform runs: a restore brings them back, and no caller notices', async (t) => {
  await using cluster = await bootCluster({ nodes: 1 });
  // Where POSTERN_TEST_MONGODB_URL names a server, others' documents may be in it.
  if (!cluster.processes.some(({ name }) => name === 'mongodb'))
    return t.skip('NOT TESTED: the MongoDB server was given, and is not this test’s to empty');
  await using own = await startSite(cluster, { resources: { exchange: resource } });
  const backup = join(folder, 'lost.backup');
  assert.equal((await postern(cluster, ['backup', backup])).code, 0);
  await cluster.kill('mongodb');
  await rm(join(cluster.state, 'mongodb'), { recursive: true });
  await mkdir(join(cluster.state, 'mongodb'));
  await cluster.restart('mongodb');
  const called = async (): Promise<unknown> => (await exchange(own.front('exchange'), wanted)).cause;
  assert.equal(await called(), null);
  const restored = await postern(cluster, ['restore', backup]);
  assert.equal(restored.code, 0, restored.stderr);
  assert.equal(await called(), null);
  const { id } = own.destination('exchange');
  await cluster.admin.updateDestination(own.gateway.id, id, { enabled: false });
  assert.notEqual(await called(), null, 'changes are seen');
});

test('a restore over a platform in use that is killed between two services is told, and ended by the same command; who restores keeps the key, and is told what is good again', async (t) => {
  await using cluster = await bootCluster({ nodes: 2 });
  await using own = await startSite(cluster, { resources: { exchange: resource } });
  const { admin } = cluster;
  const called = async (node: number): Promise<unknown> =>
    (await exchange(own.front('exchange', node), wanted)).cause;
  const revoked = await admin.createToken(own.gateway.id, { note: 'revoked since' });
  const deletedKey = await admin.createApiKey({ name: 'deleted since', role: 'owner' });
  const backup = join(folder, 'in-use.backup');
  assert.equal((await postern(cluster, ['backup', backup])).code, 0);
  await admin.revokeToken(own.gateway.id, revoked.id);
  await admin.call('DELETE', `/api-keys/${deletedKey.id}`);
  const since = await admin.createDestination(own.gateway.id, {
    name: 'made since',
    resource: { host: resource.host, port: resource.port },
  });
  const { key } = await admin.createApiKey({ name: 'made since', role: 'owner' });
  const as = { adminUrl: cluster.adminUrl, apiKey: key, caFile: cluster.caFile };
  const args = ['--json', 'restore', backup, '--overwrite'];

  // The router's commit waits for a change of somebody else, until acl is dead.
  const database = new MongoClient(cluster.documents.url);
  t.after(() => database.close());
  const session = database.startSession();
  session.startTransaction();
  const gateways = database.db(cluster.documents.database).collection<{ _id: string }>('gateways');
  await gateways.updateOne({ _id: own.gateway.id }, { $set: { held: true } }, { session });
  const restoring = await startPostern(as, args);
  await restoring.said('the platform can use it');
  await cluster.kill('acl');
  await session.abortTransaction();
  await restoring.said('router: restored');
  restoring.child.kill('SIGKILL');
  await restoring.ended;
  await cluster.restart('acl');
  assert.match(
    restoring.stderr(),
    new RegExp(`good again: .*${revoked.id}`),
    'told before anything is changed',
  );

  const warnings = async (): Promise<string[]> =>
    (await admin.call<{ warnings: string[] }>('GET', '/health')).warnings;
  // Who is asked and does not answer in time is left out.
  await until(warnings, (told) =>
    told.join('\n').includes('router has the documents of a backup, and acl and certstore not'),
  );
  assert.deepEqual([await called(0), await called(1)], [null, null]);

  const ended = await postern(as, args);
  assert.equal(ended.code, 0, ended.stderr);
  const again = (JSON.parse(ended.stdout) as { warnings: string[] }).warnings.join('\n');
  assert.match(
    again,
    new RegExp(`API key ${deletedKey.id} .*\n.*security token ${revoked.id} \\(revoked since`),
  );
  // A node tells of what it could not fetch until its next beat.
  await until(warnings, (told) => told.length === 0);
  const keys = await admin.call<{ items: { name: string }[] }>('GET', '/api-keys');
  assert.deepEqual(
    keys.items
      .map(({ name }) => name)
      .slice(1)
      .sort(),
    ['deleted since', 'made since'],
  );
  assert.match(await readFile(join(cluster.state, 'logs', 'acl.log'), 'utf8'), /those of a backup now/);
  assert.deepEqual([await called(0), await called(1)], [null, null]);
  const other = await admin.createGateway({ name: 'other' });
  const at = { name: 'x', resource: { host: resource.host, port: resource.port } };
  const front = { port: since.front?.port ?? 0 };
  await assert.rejects(admin.createDestination(other.id, { ...at, front }), { code: 'ROUTER_FRONT_RESTING' });
  const allotted = await admin.createDestination(other.id, at);
  assert.notEqual(allotted.front?.port, front.port, 'callers of what is gone are nobody else’s');
});

test('standalone starts on an older copy of its file: a client that goes on takes the lists that are made then', async () => {
  const state = join(folder, 'copied');
  const copy = join(folder, 'copy.db');
  await using platform = await bootStandalone({ state });
  await using own = await startSite(platform, { resources: { exchange: resource } });
  const { admin, part } = platform;
  const allow = (...hosts: string[]) =>
    admin.putAccessList(
      own.gateway.id,
      hosts.map((host) => ({ action: 'allow', host, port: '*' })),
    );
  const called = async (): Promise<unknown> => (await exchange(own.front('exchange'), wanted)).cause;
  const file = join(state, 'postern.db');
  // In order it leaves all in the one file.
  await part.stop();
  await copyFile(file, copy);
  await part.start();
  for (let n = 0; n < 5; n += 1) await allow(`other-${n}`);
  assert.notEqual(await called(), null);
  await part.stop();
  await copyFile(copy, file);
  await part.start();
  await allow(resource.host, 'another');
  assert.equal(await called(), null);
});

/** From the cluster to where it came from, which is in use. */
async function backAgain(cluster: Cluster, admin: AdminClient, caPem: string): Promise<void> {
  const made = await admin.createGateway({ name: 'made in the cluster' });
  const second = join(folder, 'second.backup');
  // By stdout, as out of a container.
  const inCluster = { adminUrl: cluster.adminUrl, apiKey, caFile: formerCa };
  const again = await postern(inCluster, ['restore', file]);
  assert.deepEqual(
    [again.code, codeOf(again)],
    [64, 'BACKUP_PLATFORM_FILLED'],
    'what came since is not lost',
  );
  const taken = await postern(inCluster, ['backup', '-']);
  assert.equal(taken.code, 0, taken.stderr);
  await writeFile(second, taken.stdout, 'latin1');
  const refused = await postern(former, ['restore', second]);
  assert.deepEqual([refused.code, codeOf(refused)], [64, 'BACKUP_PLATFORM_FILLED']);
  await assert.rejects(former.admin.gateway(made.id), { code: 'ROUTER_GATEWAY_NOT_FOUND' });
  const restored = await postern(former, ['restore', '-', '--overwrite'], taken.stdout);
  assert.equal(restored.code, 0, restored.stderr);
  assert.equal((await former.admin.gateway(made.id)).name, 'made in the cluster');
  const result = await exchange(site.front('exchange'), wanted);
  assert.equal(result.cause, null, 'its own client goes on');
  assert.equal(await readFile(former.caFile, 'utf8'), caPem);
}

/** Other databases, and the former platform's key-encryption key. */
async function emptyCluster(): Promise<Cluster> {
  const state = join(folder, 'cluster');
  await mkdir(state, { mode: 0o700 });
  await copyFile(join(former.state, 'key-encryption-key'), join(state, 'key-encryption-key'));
  return bootCluster({ state, nodes: 2 });
}

/** Gateways with a destination each, until it is enough. */
async function change({ admin }: Platform, signal: AbortSignal): Promise<void> {
  for (let n = 0; !signal.aborted; n += 1) {
    const gateway = await admin.createGateway({ name: `changed ${n}` });
    const at = { name: 'x', resource: { host: '127.0.0.1', port: 9 } };
    await admin.createDestination(gateway.id, at);
    if (n % 3 === 0) await admin.deleteGateway(gateway.id);
  }
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

type Place = Pick<Platform, 'adminUrl' | 'apiKey' | 'caFile'>;

/** Starts the command line, on that platform. */
async function spawnPostern({ adminUrl, apiKey: key, caFile }: Place, args: readonly string[]) {
  const keyFile = join(folder, 'key');
  await writeFile(keyFile, key, { mode: 0o600 });
  const where = ['--url', adminUrl, '--key-file', keyFile, '--ca', caFile];
  return spawn(process.execPath, [cliMain, ...where, ...args], { stdio: 'pipe' });
}

/** The same, to be killed: `said` resolves when its stderr has these words. */
async function startPostern(place: Place, args: readonly string[]) {
  const child = await spawnPostern(place, args);
  const ended = once(child, 'exit');
  let text = '';
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const said = async (words: string): Promise<void> => {
    while (!text.includes(words)) {
      assert.equal(child.exitCode, null, text);
      await Promise.race([once(child.stderr, 'data'), ended]);
    }
  };
  return { child, ended, said, stderr: () => text };
}

/** The command line, on that platform, until it ends. */
async function postern(place: Place, args: readonly string[], input = ''): Promise<Ended> {
  const child = await spawnPostern(place, args);
  child.stdin.end(input, 'latin1');
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const [stdout, stderr, code] = await Promise.all([latin1(child.stdout), text(child.stderr), ended]);
  return { code, stdout, stderr };
}

async function latin1(stream: Readable): Promise<string> {
  return (await buffer(stream)).toString('latin1');
}

function codeOf({ stderr }: Ended): string {
  return /^postern: ([A-Z_]+): /m.exec(stderr)?.[1] ?? stderr;
}

interface Stored {
  readonly id: string;
  readonly gatewayId: string;
  readonly destinationId: string;
}

/** Every collection of every owner, but for what is of the platform's own present (docs/ARCHITECTURE.md). */
async function kept({ documents: { url, database } }: Cluster): Promise<string[]> {
  const present = new Set([
    'ticketKeys',
    'uses',
    'certstore_key_check',
    'admin_idempotency',
    'releasedCertificates',
    'deleted',
    'transactionHolders',
  ]);
  const client = new MongoClient(url);
  try {
    const all = await client.db(database).listCollections({}, { nameOnly: true }).toArray();
    const names = all.map(({ name }) => name).filter((name) => !present.has(name));
    return names.filter((name) => !/_(counter|log|migration|restore)$/.test(name)).sort();
  } finally {
    await client.close();
  }
}

/** The documents of a backup by collection. */
async function contentsOf(path: string): Promise<Map<string, Stored[]>> {
  const bytes = await readFile(path);
  const end = bytes.indexOf(10, bytes.indexOf(10) + 1) + 1;
  const head = JSON.parse(bytes.toString('utf8', bytes.indexOf(10) + 1, end)) as {
    parts: { bytes: number }[];
  };
  const contents = new Map<string, Stored[]>();
  let offset = end;
  for (const part of head.parts) {
    const lines = gunzipSync(bytes.subarray(offset, offset + part.bytes))
      .toString()
      .trimEnd()
      .split('\n');
    offset += part.bytes;
    const { collections } = JSON.parse(lines[0] ?? '') as { collections: object };
    for (const name of Object.keys(collections)) contents.set(name, []);
    for (const line of lines.slice(1)) {
      const [name, document] = JSON.parse(line) as [string, Stored];
      contents.set(name, [...(contents.get(name) ?? []), document]);
    }
  }
  return contents;
}

/** Of the certificate that a TLS front serves, which the CA must have signed. */
async function fingerprintAt({ host, port }: { host: string; port: number }): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect({ host, port, servername: secureHost, ca: ca.caPem }, () => {
    resolve(socket.getPeerCertificate().fingerprint256);
  });
  socket.on('error', reject);
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}

function fingerprintOf(platform: Platform): Promise<string> {
  return fingerprintAt(frontAt(platform, secure));
}
