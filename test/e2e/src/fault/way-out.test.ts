// How a client gets out of a private network, and what it says when it cannot: port 9000 closed, a proxy that wants
// credentials, a proxy that inspects TLS, a firewall that forgets idle connections; and how often it tries.
//
// One cluster, a site for each, all at once: most of them are waiting.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  type Cluster,
  type Endpoint,
  type Resource,
  type Site,
  startClient,
  startEcho,
  startInterceptingProxy,
  startSquid,
  startProbe,
} from '@postern/test-cluster';
import { passed } from '@postern/test-kit';
import { Caller, tryEcho } from '../fixture/caller.ts';
import { inTime, patience, until } from './patience.ts';
import { bootProxiedCluster, startProxiedSite } from './proxied-site.ts';

/** The longest wait between two tries, and what a busy machine adds to it. */
const triesApartMs = 5_000 + 1_000 * patience;

describe('a client inside a private network', { concurrency: true }, () => {
  let cluster: Cluster;
  let echo: Resource;

  before(async () => {
    echo = await startEcho();
    cluster = await bootProxiedCluster();
  });
  after(async () => {
    await cluster.stop();
    await echo.stop();
  });

  test('takes the WebSocket where the tunnel port is closed, and moves back when it opens without breaking a stream', async () => {
    await using proxied = await startProxiedSite(cluster, 1, {
      name: 'closed',
      resources: { echo },
      prepare: (proxy) => proxy.refuse(),
    });
    const { proxy, site } = proxied;
    await transports(site, ['websocket', 'websocket']);
    await using idle = new Caller(site.front('echo'));
    await idle.echo('by WebSocket');
    await using probe = await startProbe(site.front('echo'));
    await probe.run(20);
    proxy.resume();
    await transports(site, ['direct', 'direct']);
    await probe.run(20);
    await idle.echo('directly');
    // And the other way round, at the moment when the port closes.
    proxy.refuse();
    proxy.cut();
    await transports(site, ['websocket', 'websocket']);
    await probe.run(20);
    await idle.echo('by WebSocket again');
  });

  test('goes out through an HTTP CONNECT proxy with credentials, and names wrong ones', async () => {
    await using squid = await startSquid();
    await using proxied = await startProxiedSite(cluster, 2, {
      name: 'squid',
      resources: { echo },
      args: ['--proxy', squid.url],
    });
    const { site, proxy } = proxied;
    // The proxy resolves names itself and cannot find the tunnel port's, so the WebSocket is what is left.
    await transports(site, ['websocket', 'websocket']);
    assert.equal(await tryEcho(site.front('echo')), 'echoed');
    assert.equal(proxy.accepted, 0);
    const { host } = new URL(cluster.connectUrl);
    await until('the proxy tells of it', 10_000, async () => {
      const log = await readFile(join(squid.folder, 'access.log'), 'utf8');
      return log.includes(`/200`) && log.includes(`CONNECT ${host} ${squid.user}`);
    });
    const wrong = squid.url.replace(encodeURIComponent(squid.password), 'wrong');
    await using refused = await startClient({
      ...clientOf(site),
      args: ['--proxy', wrong, '--reconnect', '1'],
      waitUntilConnected: false,
    });
    assert.equal((await refused.part.exited).code, 69);
    assert.match(refused.part.output.tail, /CLIENT_PROXY_CREDENTIALS/);
    assert.doesNotMatch(refused.part.output.tail, /wrong@|:wrong/);
  });

  test('refuses a proxy that inspects TLS, and names it', async () => {
    const { hostname, port } = new URL(cluster.connectUrl);
    await using inspector = await startInterceptingProxy({ host: hostname, port: Number(port) });
    const gateway = await cluster.admin.createGateway({ name: 'inspected' });
    const { token } = await cluster.admin.createToken(gateway.id);
    await using client = await startClient({
      gatewayId: gateway.id,
      connectUrl: `https://${inspector.host}:${inspector.port}`,
      caFile: cluster.caFile,
      token,
      args: ['--reconnect', '1'],
      waitUntilConnected: false,
    });
    assert.equal((await client.part.exited).code, 69);
    assert.ok(client.part.output.tail.includes(inspector.authorityName), client.part.output.tail);
    assert.doesNotMatch(client.part.output.tail, new RegExp(token));
  });

  test('keeps an idle stream through a firewall that forgets what is idle for 7 s', async () => {
    await using firewall = await startForgetful({
      host: cluster.nodeHosts[0] ?? '',
      port: cluster.layout.tunnelPort,
    });
    await using proxied = await startProxiedSite(cluster, 3, {
      name: 'idle',
      resources: { echo },
      args: ['--transport', 'direct'],
      target: firewall,
    });
    const { proxy, site } = proxied;
    await until('two tunnels are up', 10_000, () => proxy.connections === 2);
    await using idle = new Caller(site.front('echo'));
    await idle.echo('before');
    const { accepted } = proxy;
    await passed(16_000);
    await idle.echo('after');
    assert.equal(firewall.forgotten, 0);
    assert.equal(proxy.accepted, accepted);
  });

  test('tries the platform at least every 5 s while it cannot be reached', async () => {
    await using counter = await startCounter();
    await using client = await startClient({
      gatewayId: 'nobody',
      connectUrl: `https://127.0.0.1:${counter.port}`,
      caFile: cluster.caFile,
      token: 'pt_none',
      waitUntilConnected: false,
    });
    // Enough of them that the waits have grown as long as they may.
    await until('twelve tries', 60_000, () => counter.times.length >= 12);
    assert.ok(longestGap(counter.times) <= triesApartMs, `${longestGap(counter.times)} ms between two tries`);
    await client.stop();
  });

  test('tries the nodes at least every 5 s while none can be reached', async () => {
    const times: number[] = [];
    await using proxied = await startProxiedSite(cluster, 4, {
      name: 'unreachable',
      resources: { echo },
      args: ['--transport', 'direct'],
    });
    const { proxy, site } = proxied;
    await until('two tunnels are up', 10_000, () => proxy.connections === 2);
    proxy.onAccept = () => times.push(performance.now());
    proxy.refuse();
    proxy.cut();
    await until('twenty tries', 90_000, () => times.length >= 20);
    assert.ok(longestGap(times) <= triesApartMs, `${longestGap(times)} ms between two tries`);
    proxy.resume();
    const served = until('callers are served', 60_000, async () => {
      return (await tryEcho(site.front('echo'))) === 'echoed';
    });
    await inTime('the client is back', 5_000, served);
  });

  function clientOf(site: Site): { gatewayId: string; connectUrl: string; caFile: string; token: string } {
    const { connectUrl, caFile } = cluster;
    return { gatewayId: site.gateway.id, connectUrl, caFile, token: site.token.token };
  }
});

/** Until the site's client shows exactly these tunnels. */
async function transports(site: Site, wanted: readonly string[]): Promise<void> {
  await until(`the tunnels are ${wanted.join(', ')}`, 30_000, async () => {
    const [client] = await site.platform.admin.clients(site.gateway.id);
    const shown = (client?.tunnels ?? []).map(({ transport }) => transport);
    if (shown.toSorted().join() === wanted.toSorted().join()) return true;
    throw new Error(`they are ${shown.join(', ')}`);
  });
}

/** A proxy that resets a connection on which nothing came for 7 s, from either end. */
async function startForgetful(target: Endpoint): Promise<Resource & { readonly forgotten: number }> {
  const idleMs = 7_000;
  let forgotten = 0;
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect({ ...target, noDelay: true });
    const pair = [near, far] as const;
    let timer = setTimeout(forget, idleMs);
    function forget(): void {
      forgotten += 1;
      for (const socket of pair) socket.resetAndDestroy();
    }
    for (const [socket, other] of [pair, pair.toReversed() as [Socket, Socket]]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.pipe(other);
      socket.on('data', () => {
        clearTimeout(timer);
        timer = setTimeout(forget, idleMs);
      });
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        clearTimeout(timer);
        sockets.delete(socket);
        other.destroy();
      });
    }
  });
  const place = await listening(server);
  const stop = async (): Promise<void> => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return {
    ...place,
    stop,
    get forgotten() {
      return forgotten;
    },
    [Symbol.asyncDispose]: stop,
  };
}

/** A port that resets whoever comes, and keeps the times. */
async function startCounter(): Promise<Resource & { readonly times: readonly number[] }> {
  const times: number[] = [];
  const server = createServer((socket) => {
    times.push(performance.now());
    socket.resetAndDestroy();
  });
  const place = await listening(server);
  const stop = async (): Promise<void> => void server.close();
  return { ...place, times, stop, [Symbol.asyncDispose]: stop };
}

function listening(server: ReturnType<typeof createServer>): Promise<Endpoint> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      resolve({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
    });
  });
}

function longestGap(times: readonly number[]): number {
  return Math.max(...times.slice(1).map((time, index) => time - (times[index] ?? time)));
}
