// TLS from the client to resources, on a cluster: real servers with certificates of a private CA, callers that speak
// plainly; and each way in which a certificate can be wrong, as the API and the node's log tell it.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { tool } from '@postern/scripts/install';
import {
  type Cluster,
  type ProcessResource,
  type ShownDestination,
  type Site,
  bootCluster,
  frontAt,
  patternBuffer,
  startNginx,
  startRedis,
  startSite,
  untilServed,
} from '@postern/test-cluster';
import { type Pair, type TestAuthority, makeAuthority } from './fixture/authority.ts';
import type { Booted } from './fixture/platforms.ts';
import { refusal } from './fixture/refusal.ts';
import { run } from './fixture/run.ts';

const FILE_BYTES = 8 * 1024 * 1024 + 3;
const VALUE_BYTES = 1_000_001;

let cluster: Cluster;
let booted: Booted;
let site: Site;
let ca: TestAuthority;
let otherCa: TestAuthority;
let server: Pair;
let client: Pair;
let caId: string;
let clientId: string;
let redis: ProcessResource;
const resources: ProcessResource[] = [];

before(async () => {
  [ca, otherCa] = await Promise.all([makeAuthority('Plant CA'), makeAuthority('Other CA')]);
  [server, client] = await Promise.all([ca.pair(['erp.corp']), ca.pair(['app-1'])]);
  cluster = await bootCluster({ nodes: 2 });
  booted = { platform: cluster, nodes: [cluster.part('edge-1'), cluster.part('edge-2')] };
  site = await startSite(cluster, { resources: {}, client: { args: ['--hosts', 'erp.corp=127.0.0.1'] } });
  await cluster.admin.putAccessList(site.gateway.id, [{ action: 'allow', host: 'erp.corp', port: '*' }]);
  caId = await upload('plant CA', ca.caPem);
  clientId = await upload('app-1', client.chainPem, client.keyPem);
  redis = await keep(startRedis({ ...server, clientCaPem: ca.caPem }));
});
after(async () => {
  await Promise.all(resources.map((resource) => resource.stop()));
  await site?.stop();
  await cluster?.stop();
});

async function keep(starting: Promise<ProcessResource>): Promise<ProcessResource> {
  const resource = await starting;
  resources.push(resource);
  return resource;
}

function upload(name: string, pem: string, keyPem?: string): Promise<string> {
  return cluster.admin.uploadCertificate(name, pem, keyPem);
}

let made = 0;
/** A destination whose front is plain and whose resource is erp.corp over TLS. */
async function make(port: number, tls: object): Promise<ShownDestination> {
  made += 1;
  const destination = await cluster.admin.call<ShownDestination>(
    'POST',
    `/gateways/${site.gateway.id}/destinations`,
    {
      name: `tls-${made}`,
      resource: { host: 'erp.corp', port, connectTimeoutSeconds: 10, tls: { mode: 'tls', ...tls } },
    },
  );
  await untilServed(cluster, [destination]);
  return destination;
}

/** What the failing step of a test says. */
async function faultOf({ id }: ShownDestination): Promise<string> {
  const { ok, clients } = await cluster.admin.testDestination(site.gateway.id, id);
  assert.equal(ok, false);
  const last = clients[0]?.steps.at(-1);
  assert.deepEqual([last?.name, last?.ok], ['TLS', false], JSON.stringify(clients));
  return last?.text ?? '';
}

function sha256(bytes: string | Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

test('curl gets a file from an nginx that wants a client certificate, by a name that only the client’s hosts knows', async () => {
  const nginx = await keep(startNginx({ tls: { ...server, clientCaPem: ca.caPem } }));
  const bytes = patternBuffer(1, FILE_BYTES);
  await writeFile(join(nginx.folder, 'www', 'large'), bytes);
  const mutual = { mode: 'mutual', caCertificateIds: [caId], clientCertificateId: clientId };
  const destination = await make(nginx.port, mutual);
  for (const index of booted.nodes.keys()) {
    const { host, port } = frontAt(cluster, destination, index);
    const target = join(nginx.folder, `got-${index}`);
    await run('curl', ['-fsS', '-o', target, `http://${host}:${port}/files/large`]);
    assert.match(await run('sha256sum', [target]), new RegExp(`^${sha256(bytes)} `));
  }
  // Without one nginx ends the handshake well, and says so in HTTP.
  const without = await make(nginx.port, { caCertificateIds: [caId] });
  const { host, port } = frontAt(cluster, without);
  assert.match(await run('curl', ['-sS', `http://${host}:${port}/`]), /No required SSL certificate was sent/);
  const told = await cluster.admin.testDestination(site.gateway.id, destination.id);
  assert.equal(told.ok, true);
  assert.match(
    told.clients[0]?.steps.at(-1)?.text ?? '',
    /certificate of CN=erp\.corp, .*signed by CN=Plant CA, .*: verified$/,
  );
});

test('a self-signed certificate is taken where the destination names it, and with a warning where nothing is verified', async () => {
  const folder = redis.folder;
  const [key, cert] = [join(folder, 'self.key'), join(folder, 'self.pem')];
  const subject = ['-subj', '/CN=erp.corp', '-addext', 'subjectAltName=DNS:erp.corp', '-days', '90'];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  await run('openssl', ['req', '-x509', ...curve, ...subject, '-keyout', key, '-out', cert]);
  const pair = { chainPem: await run('cat', [cert]), keyPem: await run('cat', [key]) };
  const nginx = await keep(startNginx({ tls: { ...pair, clientCaPem: null } }));
  const named = await make(nginx.port, { caCertificateIds: [await upload('self-signed', pair.chainPem)] });
  const unverified = await make(nginx.port, { rejectUnauthorized: false });
  for (const destination of [named, unverified]) {
    const { host, port } = frontAt(cluster, destination);
    assert.equal(await run('curl', ['-fsS', `http://${host}:${port}/`]), 'hello from behind the gateway\n');
  }
  assert.deepEqual(named.warnings, []);
  assert.equal(unverified.warnings[0]?.code, 'ROUTER_RESOURCE_NOT_VERIFIED');
  assert.match(
    await faultOf(await make(nginx.port, {})),
    /erp\.corp:\d+ shows a certificate .*signed itself/,
  );
});

test('redis-cli stores and reads a large value in a Redis that speaks TLS and wants a client certificate', async () => {
  const mutual = { mode: 'mutual', caCertificateIds: [caId], clientCertificateId: clientId };
  const { host, port } = frontAt(cluster, await make(redis.port, mutual), 1);
  const at = ['-h', host, '-p', String(port)];
  const value = patternBuffer(2, VALUE_BYTES).toString('base64');
  assert.equal(await run(tool('redis-cli'), [...at, '-x', 'set', 'large'], value), 'OK\n');
  assert.equal(sha256(await run(tool('redis-cli'), [...at, 'get', 'large'])), sha256(`${value}\n`));
});

const wrong: [what: string, shows: () => Promise<Pair>, text: RegExp][] = [
  [
    'another CA',
    () => otherCa.pair(['erp.corp']),
    /\(erp\.corp\) signed by Other CA, which is not a trusted CA/,
  ],
  [
    'another name',
    () => ca.pair(['a.corp', 'b.corp']),
    /certificate for a\.corp, b\.corp, not for erp\.corp/,
  ],
  ['its time over', () => ca.pair(['erp.corp'], [-9, -1]), /\(erp\.corp\) ended on .*must be renewed/],
];
for (const [what, shows, text] of wrong) {
  test(`a resource is refused, and API and log say why: ${what}`, async () => {
    const nginx = await keep(startNginx({ tls: { ...(await shows()), clientCaPem: null } }));
    const destination = await make(nginx.port, { caCertificateIds: [caId] });
    assert.match(await faultOf(destination), text);
    const line = await refusal(booted, destination);
    assert.deepEqual([line['code'], line['end']], ['EDGE_RESOURCE_TLS', 'resource']);
    assert.match(String(line.msg), text);
  });
}

test('a resource that does not speak TLS is told apart', async () => {
  const plain = await keep(startNginx());
  const destination = await make(plain.port, { caCertificateIds: [caId] });
  assert.match(await faultOf(destination), /erp\.corp:\d+ does not speak TLS on this port/);
  assert.equal((await refusal(booted, destination))['code'], 'EDGE_RESOURCE_TLS');
});

const refused: [what: string, shown: () => Promise<Pair | null>, text: RegExp][] = [
  ['none', async () => null, /asks for a client certificate, and none is given/],
  [
    'one of another CA',
    () => otherCa.pair(['app-2']),
    /refused the client certificate \(CN=app-2, signed by CN=Other CA\)/,
  ],
];
for (const [what, shown, text] of refused) {
  test(`a client certificate that a resource refuses is told in API and log: ${what}`, async () => {
    const pair = await shown();
    const own =
      pair === null
        ? {}
        : { mode: 'mutual', clientCertificateId: await upload(what, pair.chainPem, pair.keyPem) };
    const destination = await make(redis.port, { caCertificateIds: [caId], ...own });
    assert.match(await faultOf(destination), text);
    const line = await refusal(booted, destination);
    assert.deepEqual([line['code'], line['end']], ['EDGE_RESOURCE_TLS', 'resource']);
    assert.match(String(line.msg), text);
  });
}

test('a key that is not the certificate’s never gets as far as a destination', async () => {
  const [one, other] = await Promise.all([ca.pair(['app-3']), ca.pair(['app-4'])]);
  await assert.rejects(upload('mismatch', one.chainPem, other.keyPem), { code: 'CERTSTORE_KEY_MISMATCH' });
  await assert.rejects(make(redis.port, { mode: 'mutual' }), { status: 400, code: 'ROUTER_INVALID' });
});
