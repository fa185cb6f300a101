// UDP through fronts and from on premises: a real DNS server, datagrams of all sizes, flows that are judged, bounded,
// counted, and that go on when a tunnel is cut.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { tool } from '@postern/scripts/install';
import {
  type Endpoint,
  type ProcessResource,
  type ShownDestination,
  type Site,
  frontAt,
  patternBuffer,
  startClient,
  startDns,
  startSite,
  untilServed,
} from '@postern/test-cluster';
import { freePort } from '@postern/test-kit';
import { DatagramCaller, type DatagramEcho, startDatagramEcho } from './fixture/datagrams.ts';
import { onEachPlatform } from './fixture/platforms.ts';
import { run } from './fixture/run.ts';
import { untilSpread } from './fixture/spread.ts';
import { toldAfter } from './fixture/told.ts';

const SIZES = [1, 2, 512, 1472, 1473, 9000, 16_384, 32_768, 65_000, 65_506, 65_507];

let dns: ProcessResource;
let echo: DatagramEcho;

before(async () => {
  const many = Array.from({ length: 60 }, (_, i) => `host-record=many.corp,10.1.1.${i + 1}`);
  dns = await startDns(['address=/erp.corp/10.0.0.7', 'txt-record=long.corp,' + 'x'.repeat(250), ...many]);
  echo = await startDatagramEcho();
});
after(() => Promise.all([dns.stop(), echo.stop()]));

onEachPlatform(
  (booted) => {
    let site: Site;
    before(async () => {
      const { platform } = booted();
      site = await startSite(platform, { resources: {} });
      await platform.admin.putAccessList(site.gateway.id, everything);
      await untilSpread(site);
    });
    after(() => site.stop());

    const make = async (name: string, { host, port }: Endpoint): Promise<ShownDestination> => {
      const { platform } = booted();
      const resource = { host, port, protocol: 'udp' as const };
      const destination = await platform.admin.createDestination(site.gateway.id, {
        name,
        resource,
        front: { protocol: 'udp' },
      });
      await untilServed(platform, [destination]);
      return destination;
    };
    const makeCloud = async (name: string, { host, port }: Endpoint): Promise<Endpoint> => {
      const clientPort = await freePort();
      const resource = { host, port, protocol: 'udp' as const };
      const told = toldAfter(site.client.part, [`listening for callers of ${name}`], () =>
        booted().platform.admin.createDestination(site.gateway.id, {
          name,
          kind: 'cloud',
          resource,
          clientPort,
        }),
      );
      await told;
      return { host: '127.0.0.1', port: clientPort };
    };
    const dig = ({ host, port }: Endpoint, ...ask: string[]): Promise<string> =>
      run(tool('dig'), ['+short', '+tries=3', '+time=5', '+ignore', `@${host}`, '-p', String(port), ...ask]);

    test('dig asks a DNS server by its front on every node, and one in the cloud by the client', async () => {
      const destination = await make('dns', dns);
      const places = booted().platform.nodeHosts.map((_, node) =>
        frontAt(booted().platform, destination, node),
      );
      for (const place of [...places, await makeCloud('cloud dns', dns)]) {
        assert.equal(await dig(place, 'erp.corp'), '10.0.0.7\n');
        assert.match(await dig(place, 'txt', 'long.corp'), /^"x{250}"\n$/);
        const all = await dig(place, '+bufsize=65000', 'many.corp');
        assert.equal(new Set(all.trim().split('\n')).size, 60);
      }
    });

    test('datagrams of every size come back whole, one flow for each caller, from the port that was called', async () => {
      const destination = await make('echo', echo);
      const places = booted().platform.nodeHosts.map((_, node) =>
        frontAt(booted().platform, destination, node),
      );
      for (const place of [...places, await makeCloud('cloud echo', echo)]) {
        // A port that an earlier flow had may come again: only who sends from here on counts.
        echo.senders.clear();
        await using one = new DatagramCaller(place);
        await using other = new DatagramCaller(place);
        for (const [seed, size] of SIZES.entries()) {
          assert.ok(await one.echo(patternBuffer(seed, size)), `${size} bytes`);
          assert.ok(await other.echo(patternBuffer(seed + 100, size)), `${size} bytes`);
        }
        assert.equal(echo.senders.size, 2);
        assert.ok([...one.received.values()].reduce((a, b) => a + b) >= SIZES.length);
      }
    });

    test('a burst of many callers comes back, each to its own', async () => {
      const place = frontAt(booted().platform, await make('burst', echo));
      const callers = Array.from({ length: 100 }, () => new DatagramCaller(place));
      const answers = callers.map((caller, seed) => caller.echo(patternBuffer(seed + 1000, 700)));
      assert.deepEqual(new Set(await Promise.all(answers)), new Set([true]));
      for (const caller of callers) {
        assert.equal(caller.received.size, 1);
        await caller[Symbol.asyncDispose]();
      }
    });

    test('a flow is judged when it begins and again when a rule changes', async () => {
      const { platform, nodes } = booted();
      const destination = await make('judged', echo);
      const place = frontAt(platform, destination);
      await using caller = new DatagramCaller(place);
      assert.ok(await caller.echo(Buffer.from('allowed')));
      const [node] = nodes;
      assert(node);
      const line = await toldAfter(node, [destination.id, 'EDGE_SOURCE_DENIED'], () =>
        platform.admin.putSourceRules(site.gateway.id, destination.id, { restricted: true, rules: [] }),
      );
      assert.match(String(line.msg), /a stream was cut/);
      const refused = await toldAfter(node, [destination.id, 'EDGE_SOURCE_DENIED', 'turned away'], async () =>
        caller.send(Buffer.from('denied')),
      );
      assert.equal(refused['end'], 'edge');
      await platform.admin.putSourceRules(site.gateway.id, destination.id, { restricted: false });
      assert.ok(await caller.echo(Buffer.from('allowed again')));
    });

    test('a resource that nobody listens on cuts the flow with the cause', async () => {
      const { platform, nodes } = booted();
      const destination = await make('nobody', { host: '127.0.0.1', port: await freePort() });
      const [node] = nodes;
      assert(node);
      await using caller = new DatagramCaller(frontAt(platform, destination));
      const line = await toldAfter(node, [destination.id, 'EDGE_RESOURCE_REFUSED'], async () => {
        caller.send(Buffer.from('is anybody there'));
        caller.send(Buffer.from('hello'));
      });
      assert.match(String(line.msg), /nobody listens there \(ICMP\)/);
    });

    test('a flow goes on when a tunnel is cut, and when the client was started again', async () => {
      const { platform, nodes } = booted();
      const place = frontAt(platform, await make('cut', echo));
      await using caller = new DatagramCaller(place);
      assert.ok(await caller.echo(Buffer.from('before')));
      const other = nodes[1];
      if (other !== undefined) {
        other.kill('SIGKILL');
        await other.exited;
        assert.ok(await caller.echo(Buffer.from('one node less')));
        await other.start();
      }
      await site.client.kill();
      await site.client.part.start();
      assert.ok(await caller.echo(Buffer.from('after')));
    });

    test('a flow whose client is gone goes to another client of the gateway, which is there', async () => {
      const { platform } = booted();
      const place = frontAt(platform, await make('two clients', echo));
      await using caller = new DatagramCaller(place);
      assert.ok(await caller.echo(Buffer.from('by the one')));
      const other = await startClient({
        gatewayId: site.gateway.id,
        connectUrl: platform.connectUrl,
        caFile: platform.caFile,
        token: site.token.token,
      });
      await site.client.kill();
      // Far below the minute for which a connection waits for its client.
      assert.ok(await caller.echo(Buffer.from('by the other'), 20_000));
      await site.client.part.start();
      await other.stop();
    });
  },
  { edge: ['--cloud-local'] },
);

const everything = [{ action: 'allow', host: '*', port: '*' }] as const;
