// What networks do to the connection under a tunnel, in the middle of a transfer: it is cut, swallows everything, or
// slows down. Streams go on over another path, and every byte is right at both ends.
//
// One cluster, a site with a proxy of its own for each fault, all faults at once: most of them are waiting.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ServerResponse, createServer as createWebServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import {
  type Cluster,
  type CuttableProxy,
  type ExchangeServer,
  type ExchangeResult,
  type Resource,
  exchange,
  frontAt,
  startEcho,
  startExchangeServer,
  startProbe,
  untilServed,
} from '@postern/test-cluster';
import { passed } from '@postern/test-kit';
import { Caller, tryEcho } from '../fixture/caller.ts';
import { inTime, patience, until } from './patience.ts';
import { type ProxiedSite, bootProxiedCluster, startProxiedSite } from './proxied-site.ts';
import { report } from './report.ts';

const MIB = 1024 * 1024;
const bytes = { sendBytes: 24 * MIB + 7, receiveBytes: 32 * MIB + 3 };
/** The 60 s of a stream without a path, and what it takes to notice. */
const limitMs = 90_000 * patience;
/** Its cause, in both logs; each end names the other. */
const noPath = 'no path to [^ ]+ for 60 s';
/** Far more than any transfer here takes; a hang ends there. */
const transferMs = 60_000;
const cutForMs = 60_000;
/** The longest time from one cut to the next. */
const cutApartMs = 2_000;

describe('a tunnel whose path fails in the middle of a transfer', { concurrency: true }, () => {
  let cluster: Cluster;
  let resource: ExchangeServer;
  let sites = 0;

  before(async () => {
    resource = await startExchangeServer();
    cluster = await bootProxiedCluster();
  });
  after(async () => {
    await cluster.stop();
    await resource.stop();
  });

  async function siteOf(
    name: string,
    resources: Record<string, Resource> = { exchange: resource },
  ): Promise<ProxiedSite> {
    sites += 1;
    const args = ['--transport', 'direct'];
    const proxied = await startProxiedSite(cluster, sites, { name, resources, args });
    await until('two tunnels are up', 10_000, () => proxied.proxy.connections === 2);
    return proxied;
  }

  test('goes on over the second tunnel when the one that carries it is cut', async () => {
    await using proxied = await siteOf('cut-one');
    const { proxy, site } = proxied;
    const running = exchange(site.front('exchange'), { ...bytes, seed: 1 });
    await passedThrough(proxy, 4 * MIB);
    // No other connection can come up: what goes on goes over the second tunnel.
    proxy.refuse();
    proxy.busiest?.reset();
    await assertWhole(running);
    assert.equal(proxy.connections, 1);
  });

  // As long as the one that is given up, which runs beside it.
  test('goes on when all tunnels are cut, again and again, at random moments of 60 s', async (t) => {
    await using echo = await startEcho();
    await using proxied = await siteOf('cut-all', { exchange: resource, echo });
    const { proxy, site } = proxied;
    await using idle = await startProbe(site.front('echo'));
    const over = performance.now() + cutForMs;
    let [cuts, done] = [0, 0];
    // Who comes while there is no tunnel waits for seconds only: what is cut is under way.
    let underWay = Promise.withResolvers<void>();
    const cutting = async (): Promise<void> => {
      while (performance.now() < over) {
        await passed(Math.random() * cutApartMs);
        await underWay.promise;
        if (proxy.cut() > 0) cuts += 1;
      }
    };
    const calling = async (): Promise<void> => {
      for (; performance.now() < over; done += 1) {
        await until('a tunnel is up', 10_000, () => proxy.connections > 0);
        const running = exchange(site.front('exchange'), { ...bytes, seed: 2_000 + done });
        await passedThrough(proxy, Math.random() * 8 * MIB);
        underWay.resolve();
        await assertWhole(running);
        underWay = Promise.withResolvers();
        // The others in this file want processors too.
        await passed(cutApartMs / 4);
      }
    };
    await Promise.all([cutting(), calling().finally(() => underWay.resolve())]);
    await idle.run();
    assert.ok(cuts > 10, `only ${cuts} cuts`);
    report(t, { fault: `tunnels cut ${cuts} times`, done, failed: 0, recoveredMs: idle.longestMs });
  });

  test('callers that come when all tunnels are cut are served by the first that is back', async () => {
    await using echo = await startEcho();
    await using proxied = await siteOf('gap', { echo });
    const { proxy, site } = proxied;
    proxy.refuse();
    proxy.cut();
    const callers = Array.from({ length: 8 }, () => new Caller(site.front('echo')));
    try {
      await Promise.all(callers.map(({ socket }) => once(socket, 'connect')));
      proxy.resume();
      await inTime('all are served', 5_000, Promise.all(callers.map((caller) => caller.echo('here?'))));
    } finally {
      for (const caller of callers) await caller[Symbol.asyncDispose]();
    }
  });

  test('goes on over the second tunnel when the one that carries it swallows everything, before anybody knows that it is dead', async () => {
    await using proxied = await siteOf('black-hole');
    const { proxy, site } = proxied;
    const running = exchange(site.front('exchange'), { ...bytes, seed: 3 });
    await passedThrough(proxy, 4 * MIB);
    proxy.busiest?.pause();
    // Nobody is told: a tunnel is dead when nothing was heard for 10 s.
    const goesOn = passedThrough(proxy, MIB).then(() =>
      assert.equal(proxy.connections, 2, 'neither tunnel was given up before'),
    );
    await Promise.all([goesOn, inTime('the transfer ends', 8_000, running)]);
    const result = await assertWhole(running);
    assert.ok(result.milliseconds > 1_000, 'the transfer was over before the path failed');
  });

  test('new callers are served within 3 s while one of two tunnels swallows everything, before anybody knows that it is dead', async () => {
    await using echo = await startEcho();
    await using proxied = await siteOf('quiet', { echo });
    const { proxy, site } = proxied;
    // It stays, and others share its tunnel.
    await using first = new Caller(site.front('echo'));
    await first.echo('x'.repeat(100_000));
    proxy.busiest?.pause();
    const callers = Array.from({ length: 8 }, () => new Caller(site.front('echo')));
    try {
      const all = [first, ...callers];
      await inTime('all are served', 3_000, Promise.all(all.map((caller) => caller.echo('here?'))));
      assert.equal(proxy.connections, 2, 'neither tunnel was given up before');
      await using late = new Caller(site.front('echo'));
      await inTime('one that comes later is not given to it', 900, late.echo('and now?'));
    } finally {
      for (const caller of callers) await caller[Symbol.asyncDispose]();
    }
  });

  test('requests on kept connections are answered within 5 s while one of two tunnels swallows everything, each once', async () => {
    const requests: string[] = [];
    await using web = await startWeb((path) => requests.push(path));
    sites += 1;
    await using proxied = await startProxiedSite(cluster, sites, {
      name: 'kept',
      resources: { unused: web },
      args: ['--transport', 'direct'],
    });
    const { proxy, site } = proxied;
    await until('two tunnels are up', 10_000, () => proxy.connections === 2);
    const destination = await cluster.admin.createDestination(site.gateway.id, {
      name: 'web',
      resource: { host: web.host, port: web.port },
      front: { protocol: 'http' },
    });
    await untilServed(cluster, [destination]);
    const { host, port } = frontAt(cluster, destination);
    const callEight = (name: string): Promise<string[]> =>
      Promise.all(
        Array.from({ length: 8 }, async (_, index) => {
          const answer = await fetch(`http://${host}:${port}/${name}-${index}`);
          return answer.text();
        }),
      );
    // All at once, and each is answered when all have come: so eight connections are kept, in one tunnel.
    await callEight('first');
    proxy.busiest?.pause();
    await inTime('all are answered', 5_000, callEight('second'));
    assert.equal(proxy.connections, 2, 'neither tunnel was given up before');
    assert.deepEqual([requests.length, new Set(requests).size], [16, 16]);
  });

  test('goes on over a path that becomes slow, and is cut while bytes are under way', async () => {
    await using proxied = await siteOf('delay');
    const { proxy, site } = proxied;
    const running = exchange(site.front('exchange'), { ...bytes, seed: 4 });
    await passedThrough(proxy, 4 * MIB);
    proxy.delay(40);
    await passedThrough(proxy, 8 * MIB);
    proxy.cut();
    await passedThrough(proxy, 8 * MIB);
    proxy.busiest?.reset();
    await assertWhole(running);
  });

  test('goes on after both tunnels were gone for 20 s, and so does a connection that was idle', async () => {
    await using echo = await startEcho();
    sites += 1;
    await using proxied = await startProxiedSite(cluster, sites, {
      name: 'gone',
      resources: { exchange: resource, echo },
      args: ['--transport', 'direct'],
    });
    const { proxy, site } = proxied;
    await using idle = new Caller(site.front('echo'));
    await idle.echo('before');
    await using probe = await startProbe(site.front('echo'));
    const running = exchange(site.front('exchange'), { ...bytes, seed: 5 });
    await passedThrough(proxy, 4 * MIB);
    proxy.refuse();
    proxy.cut();
    await passed(20_000);
    assert.equal(proxy.connections, 0);
    proxy.resume();
    await inTime(
      'the client is back',
      5_000,
      until('a tunnel', 60_000, () => proxy.connections > 0),
    );
    await assertWhole(running);
    await probe.run();
    await idle.echo('after');
  });

  test('is given up at both ends after 60 s without a path, with the cause in both logs', async () => {
    await using held = await startHolder();
    sites += 1;
    await using proxied = await startProxiedSite(cluster, sites, {
      name: 'given-up',
      resources: { held },
      args: ['--transport', 'direct'],
    });
    const { proxy, site } = proxied;
    await using caller = new Caller(site.front('held'));
    await caller.echo('before');
    const { ended: resourceEnd } = await held.first;
    // Other sites of this cluster lose their paths at the same time.
    const own = `(?=.*"destinationId":"${site.destination('held').id}")`;
    const edge = cluster.part('edge-1').line(new RegExp(`^${own}(?=.*"EDGE_PATH_LOST").*${noPath}`), limitMs);
    const client = site.client.part.line(
      new RegExp(`^${own}.*a stream was reset: [^:]+ by this end: ${noPath}`),
      limitMs,
    );
    proxy.refuse();
    proxy.cut();
    const startedAt = performance.now();
    assert.equal(await caller.ending(limitMs), 'ECONNRESET');
    assert.ok(performance.now() - startedAt > 59_000, 'it was given up too early');
    assert.equal(await resourceEnd, 'ECONNRESET');
    await Promise.all([edge, client]);
    proxy.resume();
    const served = async (): Promise<boolean> => (await tryEcho(site.front('held'))) === 'echoed';
    await until('new callers are served', 10_000, served);
  });
});

/** A resource that speaks HTTP, keeps connections, and answers eight requests when the last of them has come. */
async function startWeb(onRequest: (path: string) => void): Promise<Resource> {
  const waiting: ServerResponse[] = [];
  const server = createWebServer((request, response) => {
    onRequest(request.url ?? '');
    if (waiting.push(response) === 8) for (const one of waiting.splice(0)) one.end('here');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const stop = async (): Promise<void> => {
    server.closeAllConnections();
    server.close();
  };
  const { port } = server.address() as AddressInfo;
  return { host: '127.0.0.1', port, stop, [Symbol.asyncDispose]: stop };
}

/** A resource that echoes, and tells how its first connection ended. */
async function startHolder(): Promise<
  Resource & { readonly first: Promise<{ readonly ended: Promise<string> }> }
> {
  const { promise: first, resolve } = Promise.withResolvers<{ ended: Promise<string> }>();
  const server = createServer((socket) => {
    let failure = 'ended';
    socket.on('error', (error: NodeJS.ErrnoException) => (failure = error.code ?? error.message));
    const ended = new Promise<string>((over) => socket.on('close', () => over(failure)));
    // In an object: a promise that resolves with a promise waits for it.
    resolve({ ended });
    socket.on('data', (chunk: Buffer) => socket.write(chunk));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const stop = async (): Promise<void> => void server.close();
  const { port } = server.address() as AddressInfo;
  return { host: '127.0.0.1', port, first, stop, [Symbol.asyncDispose]: stop };
}

/** Until so many more bytes went through; from then on the transfer is under way. */
async function passedThrough(proxy: CuttableProxy, count: number): Promise<void> {
  const base = proxy.bytes;
  await until(`${count} bytes pass`, transferMs, () => proxy.bytes >= base + count);
}

async function assertWhole(running: Promise<ExchangeResult>): Promise<ExchangeResult> {
  await inTime('the transfer ends', transferMs, running);
  const result = await running;
  assert.equal(result.cause, null);
  return result;
}
