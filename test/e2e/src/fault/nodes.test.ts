// Several clients of one gateway, and tokens, over several nodes: who shares, who takes over, who finishes what it has.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  type ClientProcess,
  type Cluster,
  type Resource,
  Site,
  bootCluster,
  makeScratch,
  startClient,
  startEcho,
  startProbe,
} from '@postern/test-cluster';
import { Caller, tryEcho } from '../fixture/caller.ts';
import { indexOf, nodesOf, served, startLinkedSite } from './linked-cluster.ts';
import { inTime, until } from './patience.ts';
import { report } from './report.ts';

const nodes = [0, 1] as const;

describe('on a cluster of two nodes', () => {
  let cluster: Cluster;
  let echo: Resource;

  before(async () => {
    echo = await startEcho();
    cluster = await bootCluster({ nodes: 2 });
  });
  after(async () => {
    await cluster.stop();
    await echo.stop();
  });

  /** A site with two clients, and callers that both of them have. */
  async function withTwoClients(
    work: (site: Site, second: ClientProcess, callers: Caller[]) => Promise<void>,
  ): Promise<void> {
    await using site = await startLinkedSite(cluster, 'shared', { echo }, 2);
    const { gateway, token } = site;
    const { connectUrl, caFile } = cluster;
    await using second = await startClient({
      gatewayId: gateway.id,
      token: token.token,
      connectUrl,
      caFile,
      name: 'second',
    });
    await until('both clients have their tunnels', 15_000, async () => (await nodesOf(site)).length === 4);
    await served(site, 'echo', nodes);
    const callers = Array.from({ length: 24 }, (_, i) => new Caller(site.front('echo', i % 2)));
    try {
      await Promise.all(callers.map((caller) => caller.echo('hello')));
      const shares = await until('the nodes tell of all streams', 10_000, async () => {
        const streams = await streamsByClient(site);
        return [...streams.values()].reduce((sum, each) => sum + each, 0) === callers.length && streams;
      });
      for (const streams of shares.values())
        assert.ok(streams >= callers.length / 3, `one client has ${streams} of ${callers.length}`);
      await work(site, second, callers);
    } finally {
      for (const caller of callers) caller.socket.destroy();
    }
  }

  test('two clients share the load; one is killed, and new callers are served by the other at once', async (t) => {
    await withTwoClients(async (site, second, callers) => {
      await second.kill();
      // Who spoke before its node heard of the kill is reset after 6 s: what it said may have been done.
      const newCallers = async (): Promise<string[]> => {
        await until('the nodes hear of it', 2_000, async () => (await nodesOf(site)).length === 2);
        return Promise.all(Array.from({ length: 20 }, (_, i) => tryEcho(site.front('echo', i % 2))));
      };
      const attempts = newCallers();
      const recoveredMs = await inTime('new callers are served', 2_000, attempts);
      assert.deepEqual(new Set(await attempts), new Set(['echoed']));
      report(t, {
        fault: 'one of two clients killed',
        done: (await attempts).length,
        failed: 0,
        recoveredMs,
      });
      // Those of the dead one wait for it: nobody can tell a process that is gone from a network that is.
      let answered = 0;
      for (const caller of callers)
        void caller.echo('still here').then(
          () => (answered += 1),
          () => {},
        );
      await until('callers of the other go on', 10_000, () => answered >= callers.length / 3);
    });
  });

  test('a client that is asked to stop finishes what it has, and takes nothing new', async () => {
    await withTwoClients(async (site, second, callers) => {
      const stopped = second.part.exited;
      second.part.kill('SIGTERM');
      await until('its tunnels take no more', 10_000, async () => {
        const outcomes = await Promise.all(
          Array.from({ length: 6 }, (_, i) => tryEcho(site.front('echo', i % 2))),
        );
        return outcomes.every((outcome) => outcome === 'echoed');
      });
      await Promise.all(callers.map((caller) => caller.echo('still here')));
      for (const caller of callers) caller.socket.end();
      assert.deepEqual(
        await Promise.all(callers.map((caller) => caller.ended)),
        callers.map(() => 'ended'),
      );
      assert.equal((await stopped).code, 0);
    });
  });

  test('a token is replaced and the old one revoked: relayed streams and those of the node itself go on', async () => {
    const { admin } = cluster;
    const gateway = await admin.createGateway({ name: 'rotated' });
    await admin.putAccessList(gateway.id, [{ action: 'allow', host: echo.host, port: String(echo.port) }]);
    const { host, port } = echo;
    const destination = await admin.createDestination(gateway.id, { name: 'echo', resource: { host, port } });
    const file = join(await makeScratch('token'), 'token');
    const first = await admin.createToken(gateway.id);
    await writeFile(file, `${first.token}\n`, { mode: 0o600 });
    const { connectUrl, caFile } = cluster;
    const args = ['--token-file', file, '--tunnels', '1', '--transport', 'direct'];
    await using client = await startClient({ gatewayId: gateway.id, connectUrl, caFile, args });
    const destinations = new Map([['echo', destination]]);
    const site = new Site({ platform: cluster, gateway, token: first, destinations, client });
    await served(site, 'echo', nodes);
    const [holder = ''] = await nodesOf(site);
    await using own = await startProbe(site.front('echo', indexOf(cluster, holder)));
    await using relayed = await startProbe(site.front('echo', 1 - indexOf(cluster, holder)));
    const tunnels = async () =>
      (await admin.clients(gateway.id)).flatMap((one) => one.tunnels.map(({ id }) => id));
    const [before] = await tunnels();
    await writeFile(file, `${(await admin.createToken(gateway.id)).token}\n`);
    client.part.kill('SIGHUP');
    await until('another tunnel has taken its place', 15_000, async () => {
      const now = await tunnels();
      return now.length === 1 && now[0] !== before;
    });
    await admin.revokeToken(gateway.id, first.id);
    await until('the token is revoked', 10_000, async () => (await admin.tokens(gateway.id)).length === 1);
    await Promise.all([own.run(20), relayed.run(20)]);
  });
});

/** How many streams each client of the site has, at the nodes that answer in time. */
async function streamsByClient({ platform, gateway }: Site): Promise<Map<string, number>> {
  const clients = await platform.admin.clients(gateway.id);
  return new Map(
    clients.map(({ id, tunnels }) => [id, tunnels.reduce((sum, { streams }) => sum + (streams ?? 0), 0)]),
  );
}
