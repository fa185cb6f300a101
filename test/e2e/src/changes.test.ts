// Destinations and gateways that are added, changed, disabled, enabled and removed while everything runs: at once, at
// every node, without a restart, and at the same port.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  type Endpoint,
  type Resource,
  type ShownDestination,
  type Site,
  frontAt,
  startEcho,
  startSite,
} from '@postern/test-cluster';
import { Caller, tryEcho } from './fixture/caller.ts';
import { startGreeter } from './fixture/greeter.ts';
import { type Booted, onEachPlatform } from './fixture/platforms.ts';
import { refusal } from './fixture/refusal.ts';
import { untilSpread } from './fixture/spread.ts';
import { toldAfter, until } from './fixture/told.ts';

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
    await platform.admin.putAccessList(site.gateway.id, [{ action: 'allow', host: '*', port: '*' }]);
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
      await until(
        () => tryEcho(front),
        (answer) => answer === 'ECONNRESET',
      );
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
    for (const front of all)
      await until(
        () => tryEcho(front),
        (answer) => answer === 'ECONNREFUSED',
      );
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
    for (const front of all) await served(front);
    assert.deepEqual(
      nodes.map(({ isRunning }) => isRunning),
      nodes.map(() => true),
    );
  });

  test('a deleted gateway takes its streams, fronts and clients with it', async () => {
    const { platform } = booted();
    await using gone = await startSite(platform, { resources: { echo } });
    await served(gone.front('echo'));
    await using caller = new Caller(gone.front('echo'));
    await caller.echo('before');
    await platform.admin.deleteGateway(gone.gateway.id);
    assert.equal(await caller.ending(), 'ECONNRESET');
    await until(
      () => tryEcho(gone.front('echo')),
      (answer) => answer === 'ECONNREFUSED',
    );
    await assert.rejects(platform.admin.gateway(gone.gateway.id), { status: 404 });
  });
});

function fronts({ platform }: Booted, destination: ShownDestination): Endpoint[] {
  return [...platform.nodeHosts.keys()].map((node) => frontAt(platform, destination, node));
}

async function served(front: Endpoint): Promise<void> {
  await until(
    () => tryEcho(front),
    (answer) => answer === 'echoed',
  );
}

/** Calls until the resource behind the front is the one that greets so. */
async function greeted(front: Endpoint, text: string): Promise<void> {
  await until(
    async () => {
      await using caller = new Caller(front);
      // The caller goes when this returns, so it is waited for here.
      return await caller.greeting(text).then(
        () => true,
        () => false,
      );
    },
    (right) => right,
  );
}
