// Destinations, gateways and access lists that are made, changed, disabled, enabled and removed while everything runs:
// without a restart, at the same port, and in force at every node when the API has answered. So the first call after it
// must meet what the answer said; only what waits for a client to be back is asked again.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { connect } from 'node:tls';
import {
  type Endpoint,
  type Resource,
  type ShownDestination,
  type Site,
  frontAt,
  startEcho,
  startSite,
} from '@postern/test-cluster';
import { until } from '@postern/test-kit';
import { type Pair, type TestAuthority, makeAuthority } from './fixture/authority.ts';
import { Caller, tryEcho } from './fixture/caller.ts';
import { startGreeter } from './fixture/greeter.ts';
import { type Booted, onEachPlatform } from './fixture/platforms.ts';
import { refusal } from './fixture/refusal.ts';
import { untilSpread } from './fixture/spread.ts';
import { toldAfter } from './fixture/told.ts';

/** How often each change of these is made: what is late is so only now and then. */
const times = 10;
const shop = 'shop.example';
const everything = [{ action: 'allow' as const, host: '*', port: '*' }];

let echo: Resource;

before(async () => {
  echo = await startEcho();
});
after(() => echo.stop());

onEachPlatform((booted) => {
  let site: Site;
  before(async () => {
    const { platform } = booted();
    site = await startSite(platform, { resources: {} });
    await platform.admin.putAccessList(site.gateway.id, everything);
    // Each node has a tunnel of its own before a test asks it for one.
    await untilSpread(site);
  });
  after(() => site.stop());
  const make = (name: string, resource: Endpoint): Promise<ShownDestination> => {
    const { host, port } = resource;
    return booted().platform.admin.createDestination(site.gateway.id, { name, resource: { host, port } });
  };
  const update = (destination: ShownDestination, patch: object): Promise<ShownDestination> =>
    booted().platform.admin.updateDestination(site.gateway.id, destination.id, patch);

  test('a destination that is added is served by every node', async () => {
    const destination = await make('added', echo);
    for (const front of fronts(booted(), destination)) await served(front);
  });

  test('one that is made and removed again and again serves and refuses the first call each time', async () => {
    for (let n = 0; n < times; n += 1) {
      const destination = await make(`again ${n}`, echo);
      const all = fronts(booted(), destination);
      for (const front of all) await served(front);
      await booted().platform.admin.deleteDestination(site.gateway.id, destination.id);
      for (const front of all) assert.equal(await tryEcho(front), 'ECONNREFUSED');
    }
  });

  test('an access list decides on the first call after it was put, be it wider or narrower', async () => {
    const { admin } = booted().platform;
    const all = fronts(booted(), await make('listed', echo));
    for (let n = 0; n < times; n += 1) {
      await admin.putAccessList(site.gateway.id, []);
      for (const front of all) assert.equal(await tryEcho(front), 'ECONNRESET');
      await admin.putAccessList(site.gateway.id, everything);
      for (const front of all) await served(front);
    }
  });

  test('the first caller of a front that ends TLS is shown its certificate, and the next one what took its place', async () => {
    const { admin } = booted().platform;
    const ca = await makeAuthority('Changes CA');
    for (let n = 0; n < times; n += 1) {
      const [first, second] = await Promise.all([ca.pair([shop]), ca.pair([shop])]);
      const certificateId = await admin.uploadCertificate(`shop ${n}`, first.chainPem, first.keyPem);
      const destination = await admin.createDestination(site.gateway.id, {
        name: `shop ${n}`,
        resource: { host: echo.host, port: echo.port },
        front: { host: shop, tls: { mode: 'server', certificateId } },
      });
      const all = fronts(booted(), destination);
      for (const front of all) assert.equal(await shown(front, ca), fingerprintOf(first));
      await admin.call('PATCH', `/certificates/${certificateId}`, {
        pem: second.chainPem,
        keyPem: second.keyPem,
      });
      for (const front of all) assert.equal(await shown(front, ca), fingerprintOf(second));
      await admin.deleteDestination(site.gateway.id, destination.id);
    }
  });

  test('another resource is what new callers reach, at the same port, and who is there stays', async () => {
    await using hello = await startGreeter('hello');
    await using goodbye = await startGreeter('goodbye');
    const destination = await make('moved', hello);
    for (const front of fronts(booted(), destination)) {
      await greeted(front, 'hello');
      await using stays = new Caller(front);
      await stays.greeting('hello');
      const { host, port } = goodbye;
      const changed = await update(destination, { resource: { host, port } });
      assert.deepEqual(changed.front, destination.front);
      await greeted(front, 'goodbye');
      await stays.echo('still there');
      await update(destination, { resource: { host: hello.host, port: hello.port } });
    }
  });

  test('a disabled destination turns new callers away and keeps its port and who is there', async () => {
    const destination = await make('disabled', echo);
    for (const [index, front] of fronts(booted(), destination).entries()) {
      await served(front);
      await using stays = new Caller(front);
      await stays.echo('before');
      const disabled = await update(destination, { enabled: false });
      assert.deepEqual([disabled.enabled, disabled.front], [false, destination.front]);
      assert.equal(await tryEcho(front), 'ECONNRESET');
      const line = await refusal(booted(), destination, index);
      assert.equal(line['code'], 'EDGE_DESTINATION_DISABLED');
      await stays.echo('after');
      await update(destination, { enabled: true });
      await served(front);
      await stays.echo('and after that');
    }
  });

  test('a removed destination resets who is there, closes its port, and the port is given to no other', async () => {
    const { platform } = booted();
    const destination = await make('removed', echo);
    const all = fronts(booted(), destination);
    for (const front of all) await served(front);
    const callers = all.map((front) => new Caller(front));
    await Promise.all(callers.map((caller) => caller.echo('before')));
    await platform.admin.deleteDestination(site.gateway.id, destination.id);
    for (const caller of callers) assert.equal(await caller.ending(), 'ECONNRESET');
    for (const front of all) assert.equal(await tryEcho(front), 'ECONNREFUSED');
    await assert.rejects(platform.admin.destination(site.gateway.id, destination.id), { status: 404 });
    const next = await make('next', echo);
    assert.notEqual(next.front?.port, destination.front?.port);
  });

  test('a disabled gateway closes tunnels and streams at once, and all is back when it is enabled', async () => {
    const { platform, nodes } = booted();
    const { gateway, client } = site;
    const destination = await make('behind-a-gateway', echo);
    const all = fronts(booted(), destination);
    for (const front of all) await served(front);
    const callers = all.map((front) => new Caller(front));
    await Promise.all(callers.map((caller) => caller.echo('before')));
    const told = await toldAfter(client.part, ['ACL_GATEWAY_DISABLED'], () =>
      platform.admin.updateGateway(gateway.id, { enabled: false }),
    );
    assert.match(String(told.msg), /disabled/);
    for (const caller of callers) assert.equal(await caller.ending(), 'ECONNRESET');
    await until(
      () => platform.admin.clients(gateway.id),
      (clients) => clients.length === 0,
    );
    for (const [index] of all.entries()) {
      const line = await refusal(booted(), destination, index);
      assert.equal(line['code'], 'EDGE_GATEWAY_DISABLED');
    }
    assert.ok(client.part.isRunning);
    await platform.admin.updateGateway(gateway.id, { enabled: true });
    for (const front of all) await servedAgain(front);
    assert.deepEqual(
      nodes.map(({ isRunning }) => isRunning),
      nodes.map(() => true),
    );
  });

  test('a deleted gateway takes its streams, fronts and clients with it', async () => {
    const { platform } = booted();
    await using gone = await startSite(platform, { resources: { echo } });
    await servedAgain(gone.front('echo'));
    await using caller = new Caller(gone.front('echo'));
    await caller.echo('before');
    await platform.admin.deleteGateway(gone.gateway.id);
    assert.equal(await caller.ending(), 'ECONNRESET');
    assert.equal(await tryEcho(gone.front('echo')), 'ECONNREFUSED');
    await assert.rejects(platform.admin.gateway(gone.gateway.id), { status: 404 });
  });
});

function fronts({ platform }: Booted, destination: ShownDestination): Endpoint[] {
  return [...platform.nodeHosts.keys()].map((node) => frontAt(platform, destination, node));
}

async function served(front: Endpoint): Promise<void> {
  assert.equal(await tryEcho(front), 'echoed');
}

/** The fingerprint of the certificate that a front shows. */
async function shown({ host, port }: Endpoint, { caPem }: TestAuthority): Promise<string> {
  const socket = connect({ host, port, servername: shop, ca: caPem });
  await once(socket, 'secureConnect');
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}

function fingerprintOf({ chainPem }: Pair): string {
  return new X509Certificate(chainPem).fingerprint256;
}

/** Where a client is on its way back. */
async function servedAgain(front: Endpoint): Promise<void> {
  await until(
    () => tryEcho(front),
    (answer) => answer === 'echoed',
  );
}

/** The resource behind the front is the one that greets so. */
async function greeted(front: Endpoint, text: string): Promise<void> {
  await using caller = new Caller(front);
  await caller.greeting(text);
}
