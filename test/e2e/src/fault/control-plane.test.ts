// The control plane stops and comes back while traffic runs: NATS and the MongoDB-wire server frozen and killed, each
// service killed. The data plane does not notice: running connections go on, new ones are served on known fronts, not
// one fails. Once the part is back, changes made before are there, and those made from then on are seen.

import assert from 'node:assert/strict';
import { type TestContext, after, before, describe, test } from 'node:test';
import {
  type Cluster,
  type Resource,
  type Site,
  bootCluster,
  startEcho,
  startSite,
  type Probe,
  startProbe,
} from '@postern/test-cluster';
import { passed } from '@postern/test-kit';
import { Caller, tryEcho } from '../fixture/caller.ts';
import { inTime, until } from './patience.ts';
import { bootProxiedCluster, startProxiedSite } from './proxied-site.ts';
import { report } from './report.ts';

const nodes = [0, 1] as const;
/** How many new connections each node has to serve while the part is away, and for how long at least. */
const connectionsMin = 40;
const awayMs = 4_000;
/** A caller that takes all it gets would only keep the processors from the parts that are to come back. */
const callersApartMs = 15;
/** A part that is back is used again at once, but for a service's own pause between two tries. */
const seenMs = 10_000;
/** Long enough that each has begun to look for what it needs. */
const startedApartMs = 300;

describe('while traffic runs through a cluster of two nodes', () => {
  let cluster: Cluster;
  let echo: Resource;
  let site: Site;
  let probes: Probe[];

  before(async () => {
    echo = await startEcho();
    cluster = await bootCluster({ nodes: 2 });
    // Two fronts of one resource: changes that must be seen are made at the one, and callers of the other never stop.
    site = await startSite(cluster, { resources: { echo, unchanged: echo } });
    probes = [];
    for (const node of nodes) {
      await until('callers are served', 10_000, async () => {
        return (await tryEcho(site.front('unchanged', node))) === 'echoed';
      });
      probes.push(await startProbe(site.front('echo', node)));
    }
  });
  after(async () => {
    for (const probe of probes) await probe[Symbol.asyncDispose]();
    await site.stop();
    await cluster.stop();
    await echo.stop();
  });

  test('NATS is frozen and goes on', (t) => frozen(t, 'nats-1'));
  test('NATS is killed and started again', (t) => killed(t, ['nats-1']));
  test('the MongoDB-wire server is frozen and goes on', (t) => frozen(t, 'mongodb'));
  test('the MongoDB-wire server is killed and started again', (t) => killed(t, ['mongodb']));
  for (const name of ['router', 'acl', 'certstore', 'admin']) {
    test(`${name} is killed and started again`, (t) => killed(t, [name]));
  }

  // The row of the table names the order: services that start first wait for their servers.
  test('all of the control plane is killed at once and started again, in whatever order', (t) =>
    killed(t, shuffled(['nats-1', 'mongodb', 'router', 'acl', 'certstore', 'admin'])));

  async function frozen(t: TestContext, name: string): Promise<void> {
    const part = cluster.part(name);
    await using callers = callAllTheTime();
    part.kill('SIGSTOP');
    try {
      await unnoticed();
    } finally {
      part.kill('SIGCONT');
    }
    const recoveredMs = await inTime('all is consistent', seenMs, changesAreSeen());
    report(t, { fault: `${name} frozen`, done: await callers.served(), failed: 0, recoveredMs });
  }

  /** Kills these at once, and starts them again in the order in which they are named. */
  async function killed(t: TestContext, names: readonly string[]): Promise<void> {
    const { gateway } = site;
    // Whoever was told that it is changed finds it changed.
    const description = `before ${names.join(', ')}`;
    await cluster.admin.updateGateway(gateway.id, { description });
    await using callers = callAllTheTime();
    await Promise.all(names.map((name) => cluster.kill(name)));
    await unnoticed();
    await Promise.all(
      names.map(async (name, index) => {
        await passed(index * startedApartMs);
        await cluster.restart(name);
      }),
    );
    const recoveredMs = await inTime('all is consistent', seenMs, changesAreSeen());
    assert.equal((await cluster.admin.gateway(gateway.id)).description, description);
    const done = await callers.served();
    report(t, { fault: `${names.join(', ')} killed`, done, failed: 0, recoveredMs });
  }

  /** Callers of a front that nobody changes, at both nodes, from before the fault until all is back; every one of them is served. */
  function callAllTheTime(): AsyncDisposable & { served: () => Promise<number> } {
    const ending = new AbortController();
    const outcomes = nodes.map(async (node) => {
      const told: string[] = [];
      while (!ending.signal.aborted) {
        told.push(await tryEcho(site.front('unchanged', node)));
        await passed(callersApartMs);
      }
      return told;
    });
    const all = async (): Promise<string[]> => {
      ending.abort();
      return (await Promise.all(outcomes)).flat();
    };
    return {
      served: async () => {
        const told = await all();
        assert.deepEqual(new Set(told), new Set(['echoed']));
        return told.length;
      },
      [Symbol.asyncDispose]: async () => void (await all()),
    };
  }

  /** While the part is away, new callers of both nodes and those that have been there are served. */
  async function unnoticed(): Promise<void> {
    const startedAt = performance.now();
    await Promise.all(
      nodes.map(async (node) => {
        for (let done = 0; done < connectionsMin || performance.now() - startedAt < awayMs; done += 1) {
          assert.equal(await tryEcho(site.front('echo', node)), 'echoed');
          await passed(callersApartMs);
        }
      }),
    );
    for (const probe of probes) await probe.run();
  }

  /** A change takes its way through admin, its owner and the bus to each node: refused there, and served again. */
  async function changesAreSeen(): Promise<void> {
    const { gateway } = site;
    const { id } = site.destination('echo');
    const set = (enabled: boolean): Promise<unknown> =>
      until(`the change to ${enabled ? 'enabled' : 'disabled'} is taken`, seenMs, async () => {
        await cluster.admin.updateDestination(gateway.id, id, { enabled });
        return true;
      });
    await set(false);
    for (const node of nodes) {
      await until(`node ${node} refuses callers`, seenMs, async () => {
        return (await tryEcho(site.front('echo', node))) !== 'echoed';
      });
    }
    await set(true);
    for (const node of nodes) {
      await until(`node ${node} serves callers again`, seenMs, async () => {
        return (await tryEcho(site.front('echo', node))) === 'echoed';
      });
    }
    // Disabling leaves alone what runs.
    for (const probe of probes) await probe.run();
  }
});

test('a client whose tunnels are cut while NATS is away comes back with the tickets that it has', async () => {
  await using echo = await startEcho();
  await using cluster = await bootProxiedCluster();
  await using proxied = await startProxiedSite(cluster, 1, {
    name: 'offline',
    resources: { echo },
    args: ['--transport', 'direct'],
  });
  const { proxy, site } = proxied;
  await until('two tunnels are up', 10_000, () => proxy.connections === 2);
  await using running = new Caller(site.front('echo'));
  await running.echo('before');
  await cluster.kill('nats-1');
  proxy.cut();
  const back = until('a tunnel is up', 60_000, () => proxy.connections === 2);
  await inTime('the client is back', 5_000, back);
  await running.echo('after');
  assert.equal(await tryEcho(site.front('echo')), 'echoed');
});

function shuffled(names: readonly string[]): string[] {
  return names
    .map((name) => ({ name, place: Math.random() }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ name }) => name);
}
