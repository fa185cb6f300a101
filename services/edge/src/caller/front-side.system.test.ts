import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryHub } from '@postern/bus';
import type { Route } from '@postern/contracts';
import { silentLogger } from '@postern/telemetry';
import { freePort } from '@postern/test-kit';
import { frontOf, routeOf } from '../fixture/documents.ts';
import { optionsOf } from '../fixture/node.ts';
import { Fronts } from './fronts.ts';
import { FrontSide, type FrontSideParts } from './front-side.ts';

test('a destination that goes, and one that comes, while the shared ports open, are not missed', async () => {
  const routes = new Map<string, Route>();
  const put = async (id: string): Promise<void> => {
    routes.set(id, routeOf({ id, front: frontOf({ port: await freePort() }) }));
  };
  for (const id of ['gone', 'stays']) await put(id);
  // Nobody calls, so nothing else of the node is asked for.
  const side = new FrontSide({
    bus: new MemoryHub().connect(),
    certificates: { observe: () => () => {} },
    options: optionsOf(),
    machinePorts: null,
    gates: { connect: { close: () => {} }, front: { close: () => {} } },
    logger: silentLogger,
    routes: () => routes.values(),
  } as unknown as FrontSideParts);
  const listening = side.listen();
  routes.delete('gone');
  side.apply('gone', undefined);
  await put('comes');
  side.apply('comes', routes.get('comes'));
  await listening;
  const states = [...side.fronts.states()].map(
    ({ destinationId, listening: on }) => `${destinationId} ${on}`,
  );
  side.close();
  assert.deepEqual(new Set(states), new Set(['comes true', 'stays true']));
});

/** Of a machine whose processes have such ports. */
function frontsBeside(machinePorts: ReadonlySet<number>, whyNoTls: () => null = () => null): Fronts {
  return new Fronts({
    host: '127.0.0.1',
    reusePort: true,
    machinePorts,
    platformNames: [],
    flowsPerFrontMax: 8,
    logger: silentLogger,
    sharedListening: () => true,
    whyNoTls,
  } as unknown as ConstructorParameters<typeof Fronts>[0]);
}

test('a front that moves to another port is tried there anew', async () => {
  const fronts = frontsBeside(new Set());
  const at = (port: number): Route => routeOf({ id: 'moves', front: frontOf({ port }) });
  await fronts.open([at(await freePort())]);
  const port = await freePort();
  fronts.apply('moves', at(port));
  await fronts.tried();
  const [state] = fronts.states();
  fronts.close();
  assert.deepEqual([state?.port, state?.listening], [port, true]);
});

test('no front listens on a port of the machine’s processes while the process whose it is is away', async () => {
  const port = await freePort();
  const fronts = frontsBeside(new Set([port]));
  const at = (protocol: 'tcp' | 'udp'): Route =>
    routeOf({ id: protocol, front: frontOf({ protocol, port }) });
  await fronts.open([at('tcp'), at('udp')]);
  const [tcp, udp] = fronts.states();
  fronts.close();
  assert.equal(tcp?.listening, false);
  assert.equal(tcp?.error, `EDGE_FRONT_PORT_OWN: port ${port} is one of the node's own`);
  assert.equal(udp?.listening, true);
});

test('metrics and a page of fronts look at the fronts that they show, not at all that share a port', async (t) => {
  const whyNoTls = t.mock.fn(() => null);
  const fronts = frontsBeside(new Set(), whyNoTls);
  t.after(() => fronts.close());
  const routes = Array.from({ length: 1_000 }, (_, n) => {
    const tls = { ...frontOf().tls, mode: n % 2 === 0 ? ('server' as const) : ('none' as const) };
    return routeOf({ id: `d${n}`, shared: true, front: frontOf({ host: `${n}.example`, tls }) });
  });
  const own = routeOf({ id: 'own', front: frontOf({ protocol: 'udp', port: await freePort() }) });
  await fronts.open([...routes, own]);
  assert.deepEqual(fronts.counts(), { listening: 1_001, failed: 0 });
  assert.deepEqual(fronts.datagrams(), { flows: 0, fromCallers: 0, toCallers: 0, dropped: 0 });
  assert.equal(whyNoTls.mock.callCount(), 0);
  assert.equal([...fronts.states().take(10)].length, 10);
  assert.equal(whyNoTls.mock.callCount(), 10);
});
