// Compression between node and client: what programs of the field send and get is the same to the byte, and what a wire
// between node and client carries of it is less. Measured at a proxy before the node's tunnel port, not told by ourselves.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { DestinationInput } from '@postern/contracts';
import { tool } from '@postern/scripts/install';
import {
  type Cluster,
  type Endpoint,
  type ExchangeServer,
  type ProcessResource,
  type ShownDestination,
  exchange,
  frontAt,
  makeScratch,
  startExchangeServer,
  startNginx,
  startPostgresql,
  untilServed,
} from '@postern/test-cluster';
import { freePort, until } from '@postern/test-kit';
import { TestCa, storeCertificate } from './fixture/certificate-store.ts';
import { type ProxiedSite, bootProxiedCluster, startProxiedSite } from './fault/proxied-site.ts';
import { run } from './fixture/run.ts';

const LINES = 200_000;
const many = `copy (select i, md5((i % 500)::text) from generate_series(1, ${LINES}) i) to stdout`;

let cluster: Cluster;
let proxied: ProxiedSite;
let servers: {
  postgresql: ProcessResource;
  nginx: ProcessResource;
  tls: ProcessResource;
  bulk: ExchangeServer;
};
let ca: TestCa;

before(async () => {
  ca = await TestCa.make('Resource CA');
  const pair = await ca.issue({ names: ['files.corp'], usage: 'server' });
  const [booted, postgresql, nginx, tls, bulk] = await Promise.all([
    bootProxiedCluster({ args: { edge: ['--cloud-local'] } }),
    startPostgresql(),
    startNginx(),
    startNginx({ tls: { chainPem: pair.certPem, keyPem: pair.keyPem, clientCaPem: null } }),
    startExchangeServer(),
  ]);
  cluster = booted;
  servers = { postgresql, nginx, tls, bulk };
  const args = ['--transport', 'direct'];
  proxied = await startProxiedSite(cluster, 0, { name: 'site', resources: {}, args });
  await cluster.admin.putAccessList(proxied.site.gateway.id, [{ action: 'allow', host: '*', port: '*' }]);
});
after(async () => {
  await proxied?.[Symbol.asyncDispose]();
  await Promise.all([cluster, ...Object.values(servers ?? {})].map((part) => part?.stop()));
});

async function make(input: DestinationInput): Promise<ShownDestination> {
  const destination = await cluster.admin.createDestination(proxied.site.gateway.id, input);
  if (destination.front !== undefined) await untilServed(cluster, [destination]);
  return destination;
}

/** Bytes of the wire between node and client meanwhile. */
async function carried<Result>(work: () => Promise<Result>): Promise<{ result: Result; bytes: number }> {
  const former = proxied.proxy.bytes;
  const result = await work();
  return { result, bytes: proxied.proxy.bytes - former };
}

const psql = ({ host, port }: Endpoint, sql: string): Promise<string> =>
  run(tool('psql'), ['-h', host, '-p', String(port), '-U', 'postgres', '-d', 'postgres', '-Atc', sql]);

test('psql gets a large result unchanged by a fraction of its bytes, and small questions are answered at once', async () => {
  const { host, port } = servers.postgresql;
  const plain = frontAt(cluster, await make({ name: 'plain', resource: { host, port } }));
  const small = frontAt(cluster, await make({ name: 'small', resource: { host, port, compress: true } }));
  const wanted = await psql(servers.postgresql, many);
  const without = await carried(() => psql(plain, many));
  const withIt = await carried(() => psql(small, many));
  assert.ok(without.result === wanted && withIt.result === wanted);
  assert.ok(without.bytes > wanted.length, `${without.bytes} bytes without compression`);
  assert.ok(withIt.bytes * 3 < without.bytes, `${withIt.bytes} bytes instead of ${without.bytes}`);
  // A program that waits for each answer before it asks on: what was not flushed would never come.
  const questions = Array.from({ length: 200 }, (_, i) => `select ${i};`).join('\n');
  const at = ['-h', small.host, '-p', String(small.port), '-U', 'postgres', '-d', 'postgres', '-At'];
  const answers = await run(tool('psql'), at, questions);
  assert.equal(answers, Array.from({ length: 200 }, (_, i) => `${i}\n`).join(''));
});

const text = Buffer.from(
  'a line that says the same as every other line of this file does, nearly\n'.repeat(60_000),
);

const resources: [what: string, input: () => Promise<DestinationInput>][] = [
  [
    'over HTTP, from a plain resource',
    async () => ({
      name: 'http',
      resource: { host: '127.0.0.1', port: servers.nginx.port, protocol: 'http', compress: true },
      front: { protocol: 'http' },
    }),
  ],
  [
    'over HTTP, from a resource that wants TLS',
    async () => ({
      name: 'https',
      resource: { ...(await tlsResource()), protocol: 'http', compress: true },
      front: { protocol: 'http' },
    }),
  ],
  [
    'as bytes, from a resource that wants TLS',
    async () => ({ name: 'tls', resource: { ...(await tlsResource()), compress: true } }),
  ],
  [
    'as bytes, from a resource in the cloud',
    async () => ({
      name: 'cloud',
      kind: 'cloud',
      clientPort: await freePort(),
      resource: { host: '127.0.0.1', port: servers.nginx.port, compress: true },
    }),
  ],
];

async function tlsResource() {
  const { id } = await storeCertificate(cluster, { certPem: ca.caPem });
  const tls = { mode: 'tls' as const, serverName: 'files.corp', caCertificateIds: [id] };
  return { host: '127.0.0.1', port: servers.tls.port, tls };
}

for (const [what, input] of resources) {
  test(`curl gets a file ${what}, with its hash, by a fraction of its bytes`, async () => {
    for (const server of [servers.nginx, servers.tls])
      await writeFile(join(server.folder, 'www', 'text'), text);
    const destination = await make(await input());
    const { host, port } =
      destination.clientPort === undefined
        ? frontAt(cluster, destination)
        : { host: '127.0.0.1', port: destination.clientPort };
    const target = join(await makeScratch('compression'), 'got');
    const get = () => run('curl', ['-fsS', '-o', target, `http://${host}:${port}/files/text`]);
    // A client hears of a cloud destination a moment later than the API answers.
    await until(
      () => get().catch(() => null),
      (got) => got !== null,
    );
    const { bytes } = await carried(get);
    const hash = createHash('sha256').update(text).digest('hex');
    assert.match(await run('sha256sum', [target]), new RegExp(`^${hash} `));
    assert.ok(bytes * 10 < text.length, `${bytes} bytes on the wire`);
  });
}

test('a compressed stream goes on byte for byte when its tunnels are cut, time and again', async () => {
  const { host, port } = servers.bulk;
  const front = frontAt(cluster, await make({ name: 'bulk', resource: { host, port, compress: true } }));
  const { proxy } = proxied;
  const running = exchange(front, { sendBytes: 12_000_007, receiveBytes: 16_000_003, seed: 4 });
  let over = false;
  void running.finally(() => (over = true)).catch(() => {});
  for (let cuts = 0; cuts < 3; cuts += 1) {
    const from = proxy.bytes;
    await until(
      async () => proxy.bytes - from,
      (passed) => passed > 2_000_000 || over,
    );
    proxy.cut();
  }
  const { ok, cause } = await running;
  assert.deepEqual([ok, cause], [true, null]);
});
