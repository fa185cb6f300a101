// A resource behind a SOCKS proxy that only the client's network has.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  type ProcessResource,
  type Resource,
  type ShownDestination,
  type Site,
  type StandaloneProcess,
  bootStandalone,
  frontAt,
  freePort,
  patternBuffer,
  startEcho,
  startMicrosocks,
  startNginx,
  startSite,
  untilServed,
} from '@postern/test-cluster';
import { tryEcho } from './fixture/caller.ts';
import { refusal } from './fixture/refusal.ts';
import { run } from './fixture/run.ts';

const FILE_BYTES = 8 * 1024 * 1024 + 5;

let platform: StandaloneProcess;
let site: Site;
let proxy: ProcessResource;
let echo: Resource;
let nginx: ProcessResource;

before(async () => {
  [platform, proxy, echo, nginx] = await Promise.all([
    bootStandalone(),
    startMicrosocks(),
    startEcho(),
    startNginx(),
  ]);
  site = await startSite(platform, { resources: {} });
  await platform.admin.putAccessList(site.gateway.id, [
    { action: 'allow', host: '*', port: '*' },
    { action: 'deny', host: 'denied.corp', port: '*' },
  ]);
});
after(async () => {
  await site?.stop();
  await Promise.all([proxy?.stop(), echo?.stop(), nginx?.stop(), platform?.stop()]);
});

async function make(name: string, resource: object): Promise<ShownDestination> {
  const path = `/gateways/${site.gateway.id}/destinations`;
  const destination = await platform.admin.call<ShownDestination>('POST', path, { name, resource });
  await untilServed(platform, [destination]);
  return destination;
}
const by = (type: string, port = proxy.port) => ({ type, host: '127.0.0.1', port });

test('a file comes whole through a SOCKS 5 proxy, and the proxy resolves the name', async () => {
  const bytes = patternBuffer(1, FILE_BYTES);
  await writeFile(join(nginx.folder, 'www', 'large'), bytes);
  const destination = await make('bulk', { host: 'localhost', port: nginx.port, proxy: by('socks5') });
  const { host, port } = frontAt(platform, destination);
  const target = join(nginx.folder, 'got');
  await run('curl', ['-fsS', '-o', target, `http://${host}:${port}/files/large`]);
  const hash = createHash('sha256').update(bytes).digest('hex');
  assert.match(await run('sha256sum', [target]), new RegExp(`^${hash} `));
  const { clients } = await platform.admin.testDestination(site.gateway.id, destination.id);
  assert.deepEqual(
    clients[0]?.steps.map(({ name, ok }) => [name, ok]),
    [
      ['access list', true],
      ['proxy', true],
    ],
  );
});

test('the access list is asked for the name as configured', async () => {
  const denied = await make('denied', { host: 'denied.corp', port: echo.port, proxy: by('socks5') });
  assert.equal(await tryEcho(frontAt(platform, denied)), 'ECONNRESET');
  const { clients } = await platform.admin.testDestination(site.gateway.id, denied.id);
  assert.match(clients[0]?.steps.at(-1)?.text ?? '', /deny denied\.corp/);
});

test('what a proxy cannot do is told in its words', async () => {
  const cases: [name: string, resource: object, text: RegExp][] = [
    [
      'no proxy there',
      { host: 'localhost', port: echo.port, proxy: by('socks5', await freePort()) },
      /the proxy cannot be used: 127\.0\.0\.1:\d+ refused/,
    ],
    [
      'nobody behind it',
      { host: '127.0.0.1', port: await freePort(), proxy: by('socks5') },
      /did not connect the client to 127\.0\.0\.1:\d+: the resource refused/,
    ],
    [
      'another protocol',
      { host: '127.0.0.1', port: echo.port, proxy: by('socks5', nginx.port) },
      /no answer in SOCKS5/,
    ],
  ];
  for (const [name, resource, text] of cases) {
    const line = await refusal({ platform, nodes: [platform.part] }, await make(name, resource));
    assert.equal(line['code'], 'EDGE_RESOURCE_PROXY');
    assert.match(String(line.msg), text);
  }
});

test('a password is refused by name, and not repeated', async () => {
  const secret = 'correct horse';
  const proxyWithPassword = { ...by('socks5'), username: 'u', password: secret };
  const answer = await platform.admin.send('POST', `/gateways/${site.gateway.id}/destinations`, {
    name: 'secret',
    resource: { host: 'localhost', port: echo.port, proxy: proxyWithPassword },
  });
  assert.equal(answer.status, 422);
  assert.ok(!JSON.stringify(answer.body).includes(secret));
});
