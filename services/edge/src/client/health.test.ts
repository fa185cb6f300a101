import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryHub, messageBytesMax } from '@postern/bus';
import {
  type HealthFinding,
  healthChanged,
  healthChecksMax,
  healthFindingsMax,
  listen,
} from '@postern/contracts';
import { silentLogger } from '@postern/telemetry';
import { routeOf } from '../fixture/documents.ts';
import { Health, findingsToldMax } from './health.ts';
import type { Tunnel, Tunnels } from './tunnels.ts';

/** Tunnels of these clients, all of one gateway. */
function tunnelsOf(...clientIds: string[]): Tunnels {
  const tunnels = clientIds.map((clientId) => ({ gatewayId: 'g', clientId }) as Tunnel);
  return { all: () => tunnels, of: () => tunnels } as unknown as Tunnels;
}

/** A node that hears of the others, and the bus of another. */
function listening(tunnels: Tunnels): { health: Health; other: ReturnType<MemoryHub['connect']> } {
  const hub = new MemoryHub();
  const health = new Health({ bus: hub.connect(), node: 'here', tunnels, logger: silentLogger });
  health.listen();
  return { health, other: hub.connect() };
}

test('a node that comes later hears at once of what fails, from the node that has the client', async () => {
  const hub = new MemoryHub();
  const logger = silentLogger;
  const early = new Health({ bus: hub.connect(), node: 'early', tunnels: tunnelsOf('c1', 'c2'), logger });
  const told = Promise.withResolvers<string[]>();
  const since = new Date(0).toISOString();
  const finding = (ok: boolean) => [{ destinationId: 'd', ok, since, cause: ok ? null : 'refused' }];
  // What it has heard: of its own clients, and of one at another node, which is that node's to tell.
  const other = hub.connect();
  early.listen();
  for (const [clientId, ok] of [
    ['c1', false],
    ['c2', true],
    ['elsewhere', false],
  ] as const)
    other.publish(healthChanged.subject, { node: 'other', gatewayId: 'g', clientId, items: finding(ok) });
  await other.flush();
  const late = new Health({ bus: hub.connect(), node: 'late', tunnels: tunnelsOf(), logger });
  late.listen();
  const heard: string[] = [];
  listen(
    hub.connect(),
    healthChanged,
    ({ node, clientId }) => {
      heard.push(`${node}: ${clientId}`);
      told.resolve(heard);
    },
    told.reject,
  );
  assert.equal(late.isWell('c1', 'd'), true, 'it cannot know yet');
  const keepAlive = setInterval(() => {}, 1_000);
  early.handleNode();
  early.handleNode();
  assert.deepEqual(await told.promise, ['early: c1']);
  clearInterval(keepAlive);
  assert.equal(late.isWell('c1', 'd'), false);
  assert.equal(late.isWell('c2', 'd'), true);
});

test('what a client finds counts here at once, and is told to other nodes once a second at most', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const hub = new MemoryHub();
  const bus = hub.connect();
  const health = new Health({ bus, node: 'here', tunnels: tunnelsOf(), logger: silentLogger });
  const tunnel = { gatewayId: 'g1', clientId: 'c' } as Tunnel;
  const heard: string[] = [];
  const hear = ({ items }: { items: HealthFinding[] }): void => {
    heard.push(items.map(({ destinationId, cause }) => `${destinationId} ${cause}`).join(', '));
  };
  listen(hub.connect(), healthChanged, hear, assert.ifError);
  const find = (destinationId: string, cause: string | null): void => {
    const since = new Date(0).toISOString();
    const items = [{ destinationId, ok: cause === null, since, cause }];
    assert.equal(health.handleControl(tunnel, { kind: 'health', items }), true);
  };
  for (const id of ['d1', 'd2'])
    health.handleRoute(id, 'g1', routeOf({ id, health: { kind: 'tcp', path: '/', intervalSeconds: 10 } }));
  for (let at = 0; at < 100; at += 1) find('d1', `refused ${at}`);
  find('d2', null);
  assert.equal(health.isWell('c', 'd1'), false);
  await bus.flush();
  assert.deepEqual(heard, ['d1 refused 0']);
  t.mock.timers.tick(1_000);
  await bus.flush();
  assert.deepEqual(heard.slice(1), ['d1 refused 99, d2 null']);
  t.mock.timers.tick(1_000);
  find('d1', null);
  await bus.flush();
  assert.deepEqual(heard.slice(2), ['d1 null']);
});

test('what many clients of a gateway find is told so much at a time, and what one of another finds with the next', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const hub = new MemoryHub();
  const bus = hub.connect();
  const health = new Health({ bus, node: 'here', tunnels: tunnelsOf(), logger: silentLogger });
  const heard = { g1: 0, g2: 0 };
  listen(
    hub.connect(),
    healthChanged,
    ({ gatewayId, items }) => void (heard[gatewayId as 'g1' | 'g2'] += items.length),
    assert.ifError,
  );
  const ids = Array.from({ length: healthFindingsMax }, (_, index) => `d${index}`);
  for (const gatewayId of ['g1', 'g2'])
    for (const id of ids)
      health.handleRoute(
        `${gatewayId}-${id}`,
        gatewayId,
        routeOf({ id, health: { kind: 'tcp', path: '/', intervalSeconds: 10 } }),
      );
  const find = (gatewayId: string, clientId: string): void => {
    const since = new Date(0).toISOString();
    const items = ids.map((id) => ({
      destinationId: `${gatewayId}-${id}`,
      ok: false,
      since,
      cause: 'refused',
    }));
    health.handleControl({ gatewayId, clientId } as Tunnel, { kind: 'health', items });
  };
  const clients = (4 * findingsToldMax) / healthFindingsMax;
  // The first is told at once.
  for (let client = 0; client <= clients; client += 1) find('g1', `c${client}`);
  find('g2', 'other');
  await bus.flush();
  assert.deepEqual(heard, { g1: ids.length, g2: 0 });
  for (let second = 1; second <= 4; second += 1) {
    t.mock.timers.tick(1_000);
    await bus.flush();
    assert.deepEqual(heard, { g1: ids.length + second * findingsToldMax, g2: ids.length });
  }
});

test('what clients of other nodes found of a destination is forgotten with it, so that it takes no room', async () => {
  const { health, other } = listening(tunnelsOf());
  const tell = async (from: number, to: number): Promise<void> => {
    for (let first = from; first < to; first += healthFindingsMax) {
      const ids = Array.from(
        { length: Math.min(healthFindingsMax, to - first) },
        (_, at) => `d${first + at}`,
      );
      const since = new Date(0).toISOString();
      const items = ids.map((destinationId) => ({ destinationId, ok: false, since, cause: 'refused' }));
      other.publish(healthChanged.subject, { node: 'other', gatewayId: 'g1', clientId: 'c', items });
    }
    await other.flush();
  };
  const checked = (id: string) => routeOf({ id, health: { kind: 'tcp', path: '/', intervalSeconds: 10 } });
  for (let at = 0; at < healthChecksMax; at += 1) health.handleRoute(`d${at}`, 'g1', checked(`d${at}`));
  await tell(0, healthChecksMax);
  assert.equal(health.isWell('c', 'd0'), false);
  for (let at = 0; at < healthChecksMax; at += 1) health.handleRoute(`d${at}`, 'g1', undefined);
  await tell(healthChecksMax, healthChecksMax + 1);
  assert.equal(health.isWell('c', `d${healthChecksMax}`), false);
});

test('what many clients found is told as far as one answer on the bus takes it', async () => {
  const clientIds = Array.from({ length: 40 }, (_, at) => `c${at}`);
  const { health, other } = listening(tunnelsOf(...clientIds));
  const destinationIds = Array.from({ length: healthFindingsMax }, (_, at) => `d${at}`);
  const cause = 'x'.repeat(1_000);
  const items = destinationIds.map((destinationId) => ({ destinationId, ok: false, since: '', cause }));
  for (const clientId of clientIds)
    other.publish(healthChanged.subject, { node: 'other', gatewayId: 'g', clientId, items });
  await other.flush();
  const told = health.list('g', destinationIds);
  assert.ok(told.length > 100);
  assert.ok(Buffer.byteLength(JSON.stringify(told)) < messageBytesMax / 2);
});

test('what was found last has room, however many findings of destinations that are gone came late', async () => {
  const { health, other } = listening(tunnelsOf());
  const tell = async (destinationId: string): Promise<void> => {
    const items = [{ destinationId, ok: false, since: new Date(0).toISOString(), cause: 'refused' }];
    other.publish(healthChanged.subject, { node: 'other', gatewayId: 'g1', clientId: 'c', items });
    await other.flush();
  };
  for (let gone = 0; gone < healthChecksMax; gone += 1) await tell(`gone${gone}`);
  await tell('there');
  assert.equal(health.isWell('c', 'there'), false);
});

test('a destination fails when its check does so at each client of the gateway, since the last of them found so', async () => {
  const { health, other } = listening(tunnelsOf());
  const finding = (destinationId: string, second: number): HealthFinding => {
    const since = new Date(second * 1_000).toISOString();
    return { destinationId, ok: second === 0, since, cause: second === 0 ? null : 'refused' };
  };
  const tell = async (clientId: string, ...items: HealthFinding[]): Promise<void> => {
    other.publish(healthChanged.subject, { node: 'there', gatewayId: 'g', clientId, items });
    await other.flush();
  };
  const clients = ['c1', 'c2'];
  const failing = (): string[] => health.failing(() => clients).map(({ id, since }) => `${id} ${since}`);
  await tell('c1', finding('a', 1), finding('b', 1), finding('c', 1));
  assert.deepEqual(failing(), [], 'nothing is known of the other client, which counts as well');
  await tell('c2', finding('a', 2), finding('b', 0));
  assert.deepEqual(failing(), ['a 1970-01-01T00:00:02.000Z']);
  clients.pop();
  assert.deepEqual(
    failing().map((text) => text.slice(0, 1)),
    ['a', 'b', 'c'],
    'of those that are left',
  );
  clients.pop();
  assert.deepEqual(failing(), [], 'that no client is there is told otherwise');
});
