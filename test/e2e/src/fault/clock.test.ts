// Nodes whose clock is ten minutes off, ahead and behind: tickets are refused there, and the log of the node says that a clock
// is wrong and by how much. Everything that needs no clock goes on, at those nodes too.

import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
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
import { tryEcho } from '../fixture/caller.ts';
import { nodesOf, served } from './linked-cluster.ts';
import { until } from './patience.ts';
import { report } from './report.ts';

const all = [0, 1, 2] as const;
const callsEach = 20;
/** By node: how far its clock is from the others'. */
const clocks: Readonly<Record<string, string>> = { 'edge-2': '+10m', 'edge-3': '-10m' };

describe('with the clock of one node ten minutes ahead, and of another ten minutes behind', () => {
  let cluster: Cluster;
  let echo: Resource;
  let site: Site;

  before(async () => {
    echo = await startEcho();
    cluster = await bootCluster({ nodes: 3, nodeEnvironment: ({ name }) => clockOf(name) });
    const args = ['--tunnels', '3', '--transport', 'direct'];
    site = await startSite(cluster, { resources: { echo }, client: { args } });
  });
  after(async () => {
    await site.stop();
    await cluster.stop();
    await echo.stop();
  });

  test('tickets are refused with the cause, and the client has its tunnel where the clock is right', async () => {
    await until('both nodes have refused it', 15_000, () => {
      const ahead = /EDGE_TICKET_EXPIRED.*the ticket expired 3\d\d s ago by this node’s clock/;
      const behind = /EDGE_TICKET_TOO_EARLY.*given only (59\d|60\d) s from now, by this node’s clock/;
      return ahead.test(logOf('edge-2')) && behind.test(logOf('edge-3'));
    });
    await until('the client has one tunnel', 5_000, async () => {
      return (await nodesOf(site)).join() === 'edge-1';
    });
  });

  test('fronts of all nodes serve callers by the tunnel that there is, and changes reach them', async (t) => {
    await served(site, 'echo', all);
    const probes: Probe[] = [];
    try {
      for (const node of all) probes.push(await startProbe(site.front('echo', node)));
      for (const node of all) {
        for (let call = 0; call < callsEach; call += 1)
          assert.equal(await tryEcho(site.front('echo', node)), 'echoed');
      }
      await changesAreSeen();
      await Promise.all(probes.map((probe) => probe.run()));
    } finally {
      await Promise.all(probes.map((probe) => probe[Symbol.asyncDispose]()));
    }
    const recoveredMs = Math.max(...probes.map(({ longestMs }) => longestMs));
    report(t, { fault: 'two clocks 10 minutes off', done: callsEach * all.length, failed: 0, recoveredMs });
  });

  async function changesAreSeen(): Promise<void> {
    const { id } = site.destination('echo');
    await cluster.admin.updateDestination(site.gateway.id, id, { enabled: false });
    for (const node of all) {
      await until(`node ${node} refuses callers`, 10_000, async () => {
        return (await tryEcho(site.front('echo', node))) !== 'echoed';
      });
    }
    await cluster.admin.updateDestination(site.gateway.id, id, { enabled: true });
    await served(site, 'echo', all);
  }

  function logOf(node: string): string {
    return readFileSync(join(cluster.state, 'logs', `${node}.log`), 'utf8');
  }
});

/** What makes the system tell a process another time of day; durations stay what they are. */
function clockOf(node: string): Record<string, string> {
  const offset = clocks[node];
  if (offset === undefined) return {};
  const [library] = globSync('/usr/lib/*/faketime/libfaketime.so.1');
  assert.ok(library, 'libfaketime is not installed: pnpm service:install faketime');
  return { LD_PRELOAD: library, FAKETIME: offset, FAKETIME_DONT_FAKE_MONOTONIC: '1' };
}
