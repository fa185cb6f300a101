import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Route } from '@postern/contracts';
import { silentLogger } from '@postern/telemetry';
import { Upkeep, type UpkeepParts } from './upkeep.ts';

const routesOf = (...ids: string[]): Route[] => ids.map((id) => ({ id, gatewayId: 'g1' }) as Route);
const settled = (): Promise<unknown> => new Promise(setImmediate);

/** An upkeep before what it would do, which `act` does in its place: `follow ID` and `drop ID`. */
function upkeepOf(act: (what: string) => Promise<void>, routes: string[] = []): Upkeep {
  const parts = {
    policies: { follow: (id: string) => act(`follow ${id}`), knows: async () => false },
    sourceRules: { drop: ({ destinationId }: { destinationId: string }) => act(`drop ${destinationId}`) },
    gateways: { items: new Map(), isSynced: true },
    routes: { items: new Map(routesOf(...routes).map((route) => [route.id, route])), isSynced: true },
    logger: silentLogger,
  };
  return new Upkeep(parts as unknown as UpkeepParts);
}

test('where one fails all wait for the next tick, in which it is the last; none is lost', async () => {
  const done: string[] = [];
  let down = true;
  const upkeep = upkeepOf(async (what) => {
    done.push(what);
    if (down) throw new Error('the router is away');
  });
  upkeep.handleGateways(['a', 'b']);
  upkeep.handleDeletedRoutes(routesOf('d'));
  await settled();
  assert.deepEqual([done.splice(0), upkeep.pending], [['follow a'], 3]);
  upkeep.retry();
  await settled();
  assert.deepEqual([done.splice(0), upkeep.pending], [['follow b'], 3]);
  down = false;
  upkeep.retry();
  await settled();
  assert.deepEqual([done.splice(0), upkeep.pending], [['follow a', 'follow b', 'drop d'], 0]);
});

test('the rules of a destination that the feed has again are not dropped', async () => {
  const done: string[] = [];
  const upkeep = upkeepOf(async (what) => void done.push(what), ['back']);
  upkeep.handleDeletedRoutes(routesOf('back', 'gone'));
  await settled();
  assert.deepEqual([done, upkeep.pending], [['drop gone'], 0]);
});

test('a stop waits for what is under way, and nothing begins after it', async () => {
  const begun: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const upkeep = upkeepOf((what) => {
    begun.push(what);
    return promise;
  });
  upkeep.handleGateways(['a', 'b']);
  let isStopped = false;
  const stopping = upkeep.stop().then(() => (isStopped = true));
  await settled();
  assert.equal(isStopped, false);
  resolve();
  await stopping;
  upkeep.retry();
  await settled();
  assert.deepEqual(begun, ['follow a']);
});
