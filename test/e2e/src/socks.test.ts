// A resource behind a SOCKS proxy that only the client's network has.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { DestinationInput } from '@postern/contracts';
import {
  type ProcessResource,
  type Resource,
  type ShownDestination,
  type Site,
  type StandaloneProcess,
  bootStandalone,
  frontAt,
  patternBuffer,
  startEcho,
  startMicrosocks,
  startNginx,
  startSite,
  startSshProxy,
  startSshd,
  untilServed,
} from '@postern/test-cluster';
import { freePort, until } from '@postern/test-kit';
import { tryEcho } from './fixture/caller.ts';
import { filesBelow, foundIn, textNeedle } from './fixture/needles.ts';
import { refusal } from './fixture/refusal.ts';
import { run } from './fixture/run.ts';
import { toldAfter } from './fixture/told.ts';

const FILE_BYTES = 8 * 1024 * 1024 + 5;

let platform: StandaloneProcess;
let site: Site;
let proxy: ProcessResource;
let echo: Resource;
let nginx: ProcessResource;

before(async () => {
  [platform, proxy, echo, nginx] = await Promise.all([
    bootStandalone({ args: ['--cloud-local', '--cloud-denied', '127.0.0.9'], logLevel: 'trace' }),
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

for (const { type, host } of [
  { type: 'socks4', host: '127.0.0.1' },
  { type: 'socks4a', host: 'localhost' },
]) {
  test(`bytes come whole through ${type} to ${host}, by a proxy that others made`, async () => {
    await using sshd = await startSshd();
    await using ssh = await startSshProxy(sshd);
    const destination = await make(type, { host, port: nginx.port, proxy: by(type, ssh.port) });
    const at = frontAt(platform, destination);
    const target = join(nginx.folder, `got-${type}`);
    const bytes = patternBuffer(2, FILE_BYTES);
    await writeFile(join(nginx.folder, 'www', type), bytes);
    await run('curl', ['-fsS', '-o', target, `http://${at.host}:${at.port}/files/${type}`]);
    assert(bytes.equals(await readFile(target)));
    const nobody = { host, port: await freePort(), proxy: by(type, ssh.port) };
    const line = await refusal({ platform, nodes: [platform.part] }, await make(`${type}-nobody`, nobody));
    assert.equal(line['code'], 'EDGE_RESOURCE_PROXY');
  });
}

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

const secret = 'correct horse battery';
const signed = (port: number, password?: string) => ({
  ...by('socks5', port),
  username: 'postern',
  ...(password === undefined ? {} : { password }),
});
const withProxy = { user: 'postern', password: secret };

/** The last step of a test by the client, once it is as wanted: a password may be on its way still. */
const lastStep = (destination: ShownDestination, wanted: RegExp) =>
  until(
    async () => {
      const { clients } = await platform.admin.testDestination(site.gateway.id, destination.id);
      return clients[0]?.steps.at(-1)?.text ?? '';
    },
    (text) => wanted.test(text),
  );

test('a proxy that asks for a user and a password is given them', async () => {
  await using locked = await startMicrosocks(withProxy);
  const proxy = signed(locked.port, secret);
  const destination = await make('locked', { host: 'localhost', port: echo.port, proxy });
  assert.match(destination.resource.proxy?.passwordId ?? '', /^password/);
  assert.deepEqual(destination.warnings, []);
  await lastStep(destination, /connected to localhost/);
  assert.equal(await tryEcho(frontAt(platform, destination)), 'echoed');

  // Another password is another ID; the wrong one is told in words.
  const update = (password: string | null) =>
    platform.admin.updateDestination(site.gateway.id, destination.id, { resource: { proxy: { password } } });
  const changed = await update('a wrong one');
  assert.notEqual(changed.resource.proxy?.passwordId, destination.resource.proxy?.passwordId);
  await lastStep(destination, /refused the credentials of the destination/);
  const without = await update(null);
  assert.equal(without.resource.proxy?.passwordId, undefined);
  await update(secret);
  await lastStep(destination, /connected to localhost/);
});

test('a password is shown to no proxy but the one that it was given for', async () => {
  await using locked = await startMicrosocks(withProxy);
  await using other = await startMicrosocks(withProxy);
  const resource = { host: 'localhost', port: echo.port };
  const destination = await make('bound', { ...resource, proxy: signed(locked.port, secret) });
  const path = `/gateways/${site.gateway.id}/destinations/${destination.id}`;
  const patch = { resource: { proxy: { port: other.port } } };
  const { status, body } = await platform.admin.send('PATCH', path, patch);
  const { errors } = body as { errors: { path: string }[] };
  assert.deepEqual([status, errors[0]?.path], [400, '/resource/proxy/password']);
  // By its ID in another destination either, or behind another gateway.
  const { passwordId } = destination.resource.proxy ?? {};
  const elsewhere = await platform.admin.createGateway({ name: 'elsewhere' });
  const attempts: [gatewayId: string, port: number][] = [
    [site.gateway.id, other.port],
    [elsewhere.id, locked.port],
  ];
  for (const [gatewayId, port] of attempts) {
    const answer = await platform.admin.send('POST', `/gateways/${gatewayId}/destinations`, {
      name: 'stolen',
      resource: { ...resource, proxy: { ...signed(port), passwordId } },
    });
    assert.equal(answer.status, 400);
    assert.match(JSON.stringify(answer.body), /was given for another gateway, proxy or user/);
  }
});

test('a node reaches a cloud resource through a proxy with its password, at an address that it may dial', async () => {
  await using locked = await startMicrosocks(withProxy);
  const cloud = async (name: string, proxy: object) => {
    const clientPort = await freePort();
    const resource = { host: 'localhost', port: echo.port, proxy } as DestinationInput['resource'];
    await platform.admin.createDestination(site.gateway.id, { name, kind: 'cloud', clientPort, resource });
    return { host: '127.0.0.1', port: clientPort };
  };
  const at = await cloud('cloud', signed(locked.port, secret));
  await until(
    () => tryEcho(at),
    (answer) => answer === 'echoed',
  );
  // Where a node may not dial, no proxy is either.
  const elsewhere = await cloud('denied-proxy', { ...by('socks5', locked.port), host: '127.0.0.9' });
  const line = await toldAfter(platform.part, ['EDGE_RESOURCE_PROXY', '127.0.0.9'], () =>
    until(
      () => tryEcho(elsewhere),
      (answer) => answer === 'ECONNRESET',
    ),
  );
  assert.match(String(line.msg), /127\.0\.0\.9 is in cloudDenied of this node/);
});

test('no password is in an answer, in the documents, or in a log', async () => {
  const path = `/gateways/${site.gateway.id}/destinations`;
  const shown = JSON.stringify(await platform.admin.call('GET', path));
  assert.ok(shown.includes('passwordId'));
  const needles = [textNeedle('the password of the proxy', secret)];
  assert.deepEqual(foundIn(shown, needles), []);
  for (const [file, text] of filesBelow(platform.state)) assert.deepEqual(foundIn(text, needles), [], file);
});
