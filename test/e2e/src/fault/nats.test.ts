// NATS as a cluster of three: each server killed in turn, under callers of fronts and of the API, costs no request. And a node
// that alone is cut off from NATS, while it sees the other node, serves its callers and catches up when it is back.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Cluster,
  CuttableProxy,
  type Site,
  bootCluster,
  startEcho,
  startProbe,
} from '@postern/test-cluster';
import { passed } from '@postern/test-kit';
import { tryEcho } from '../fixture/caller.ts';
import { served, startLinkedSite } from './linked-cluster.ts';
import { inTime, until } from './patience.ts';
import { report } from './report.ts';

const nodes = [0, 1] as const;
const underLoadMs = 2_000;
/** Where edge-2 finds NATS, when it is to be cut off from it. */
const proxyAddress = 160;
const proxyPort = 4_222;

test('of three NATS servers each is killed under load, and not one request fails', async (t) => {
  await using echo = await startEcho();
  await using cluster = await bootCluster({ nodes: 2, nats: 3 });
  await using site = await startLinkedSite(cluster, 'three-nats', { echo }, 1);
  await served(site, 'echo', nodes);
  const ending = new AbortController();
  const callers = [
    ...nodes.map((node) => callOnAndOn(ending.signal, () => callFront(site, node))),
    callOnAndOn(ending.signal, () => callApi(cluster, site)),
    callOnAndOn(ending.signal, () => change(cluster, site)),
  ];
  for (const name of ['nats-1', 'nats-2', 'nats-3']) {
    await cluster.kill(name);
    await passed(underLoadMs);
    await cluster.restart(name);
    await passed(underLoadMs / 2);
  }
  ending.abort();
  const calls = (await Promise.all(callers)).flat();
  const failed = calls.filter(({ cause }) => cause !== null);
  assert.deepEqual(failed, []);
  const recoveredMs = Math.max(...calls.map(({ ms }) => ms));
  report(t, { fault: 'each of three NATS servers killed', done: calls.length, failed: 0, recoveredMs });
  assert.ok(calls.length > 200, `only ${calls.length} calls`);
});

test('a node that is cut off from NATS and sees the other node serves its callers, and catches up', async (t) => {
  await using echo = await startEcho();
  const { promise: listening, resolve } = Promise.withResolvers<CuttableProxy>();
  await using cluster = await bootCluster({
    nodes: 2,
    beforeServices: async ({ busUrl, net }) => {
      const { hostname, port } = new URL(busUrl);
      const place = { host: net.address(proxyAddress), port: proxyPort };
      resolve(await CuttableProxy.listen({ host: hostname, port: Number(port) }, place));
    },
    nodeArgs: ({ name }, net) =>
      name === 'edge-2' ? ['--nats-url', `nats://${net.address(proxyAddress)}:${proxyPort}`] : [],
  });
  await using bus = await listening;
  await using site = await startLinkedSite(cluster, 'no-nats', { echo }, 1);
  await served(site, 'echo', nodes);
  await using probe = await startProbe(site.front('echo', 1));
  bus.refuse();
  bus.cut();
  const calls: Call[] = [];
  for (let call = 0; call < 40; call += 1) calls.push(await timed(() => callFront(site, call % 2)));
  assert.deepEqual(
    calls.filter(({ cause }) => cause !== null),
    [],
  );
  await probe.run();
  // The client comes back with a tunnel at either node, of which the other can hear over the link alone.
  await site.client.kill();
  await site.client.part.start();
  const moved = await inTime('callers of both are served', 10_000, served(site, 'echo', nodes, 60_000));
  bus.resume();
  const { id } = site.destination('echo');
  await until('a change is taken', 10_000, async () => {
    await cluster.admin.updateDestination(site.gateway.id, id, { enabled: false });
    return true;
  });
  await until('edge-2 sees it', 10_000, async () => (await callFront(site, 1)) !== null);
  report(t, { fault: 'a node cut off from NATS', done: calls.length, failed: 0, recoveredMs: moved });
});

interface Call {
  readonly cause: string | null;
  readonly ms: number;
}

/** Calls until it is told to end. */
async function callOnAndOn(until: AbortSignal, call: () => Promise<string | null>): Promise<Call[]> {
  const calls: Call[] = [];
  while (!until.aborted) {
    calls.push(await timed(call));
    await passed(10);
  }
  return calls;
}

async function timed(call: () => Promise<string | null>): Promise<Call> {
  const startedAt = performance.now();
  const cause = await call();
  return { cause, ms: performance.now() - startedAt };
}

/** Null, or how it failed. */
async function callFront(site: Site, node: number): Promise<string | null> {
  const outcome = await tryEcho(site.front('echo', node));
  return outcome === 'echoed' ? null : `node ${node}: ${outcome}`;
}

async function callApi({ admin }: Cluster, { gateway }: Site): Promise<string | null> {
  return admin.gateway(gateway.id).then(
    () => null,
    (error: unknown) => String(error),
  );
}

/** A change that callers do not notice. */
async function change({ admin }: Cluster, { gateway }: Site): Promise<string | null> {
  return admin.updateGateway(gateway.id, { description: String(performance.now()) }).then(
    () => null,
    (error: unknown) => String(error),
  );
}
