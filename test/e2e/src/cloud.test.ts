// Cloud destinations: programs on premises dial the client's clientPort and reach a resource that a node dials, with
// every byte right, causes told at both ends, and changes that take effect at once.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { tool } from '@postern/scripts/install';
import {
  type ClientProcess,
  type Endpoint,
  type ExchangeServer,
  type Part,
  type ProcessResource,
  type Resource,
  type ShownDestination,
  type Site,
  exchange,
  patternBuffer,
  startClient,
  startEcho,
  startExchangeServer,
  startNginx,
  startPostgresql,
  startRedis,
  startSite,
} from '@postern/test-cluster';
import { freePort, until } from '@postern/test-kit';
import { Caller, tryEcho } from './fixture/caller.ts';
import { onEachPlatform } from './fixture/platforms.ts';
import { run } from './fixture/run.ts';
import { startSilent } from './fixture/silent.ts';
import { untilSpread } from './fixture/spread.ts';
import { toldAfter } from './fixture/told.ts';

const BULK_BYTES = 48 * 1024 * 1024 + 5;
const VALUE_BYTES = 1_000_003;
/** How often changes are made of which one that is late would be so only now and then. */
const times = 5;

let servers: {
  postgresql: ProcessResource;
  redis: ProcessResource;
  nginx: ProcessResource;
  echo: Resource;
  bulk: ExchangeServer;
};

before(async () => {
  const [postgresql, redis, nginx, echo, bulk] = await Promise.all([
    startPostgresql(),
    startRedis(),
    startNginx(),
    startEcho(),
    startExchangeServer(),
  ]);
  servers = { postgresql, redis, nginx, echo, bulk };
});
after(() => Promise.all(Object.values(servers).map((server) => server.stop())));

onEachPlatform(
  (booted, nodeCount) => {
    let site: Site;
    before(async () => {
      const { platform } = booted();
      const hosts = { args: ['--hosts', 'db.cloud=127.0.0.1'] };
      site = await startSite(platform, { resources: {}, client: hosts });
      await platform.admin.putAccessList(site.gateway.id, everything);
      await untilSpread(site);
    });
    after(() => site.stop());

    const make = async (name: string, resource: Endpoint & object, on = site): Promise<Cloud> => {
      const clientPort = await freePort();
      const destination = await booted().platform.admin.createDestination(on.gateway.id, {
        name,
        kind: 'cloud',
        resource: { ...pick(resource), ...('more' in resource ? (resource.more as object) : {}) },
        clientPort,
      });
      assert.deepEqual([destination.clientPort, destination.front], [clientPort, undefined]);
      return { destination, host: '127.0.0.1', port: clientPort };
    };
    const update = (cloud: Cloud, patch: object): Promise<ShownDestination> =>
      booted().platform.admin.updateDestination(site.gateway.id, cloud.destination.id, patch);
    /** The client's line for a caller that it turned away. */
    const refused = async (cloud: Cloud): Promise<[code: unknown, text: string]> => {
      assert.equal(await tryEcho(cloud), 'ECONNRESET');
      const texts = [`"destinationId":"${cloud.destination.id}"`, '"code":"CLIENT_'];
      const line = await toldAfter(site.client.part, texts, () => tryEcho(cloud));
      return [line['code'], String(line.msg)];
    };

    test('psql, redis-cli and curl on premises use databases and a web server in the cloud', async () => {
      const [postgresql, redis, nginx] = [
        await make('postgresql', servers.postgresql),
        await make('redis', servers.redis),
        await make('nginx', servers.nginx),
      ];
      const sql = 'select count(*), sum(i) from generate_series(1, 100000) i';
      const psql = ['-h', postgresql.host, '-p', String(postgresql.port), '-U', 'postgres', '-d', 'postgres'];
      assert.equal(await run(tool('psql'), [...psql, '-Atc', sql]), '100000|5000050000\n');
      const value = patternBuffer(1, VALUE_BYTES).toString('base64');
      const cli = ['-h', redis.host, '-p', String(redis.port)];
      assert.equal(await run(tool('redis-cli'), [...cli, '-x', 'set', 'large'], value), 'OK\n');
      assert.equal(await run(tool('redis-cli'), [...cli, 'get', 'large']), `${value}\n`);
      const url = `http://${nginx.host}:${nginx.port}/`;
      assert.equal(await run('curl', ['-fsS', url]), 'hello from behind the gateway\n');
    });

    test('bulk goes both ways at once with every byte right, over many connections too', async () => {
      const cloud = await make('bulk', servers.bulk);
      const large = await exchange(cloud, { seed: 1, sendBytes: BULK_BYTES, receiveBytes: BULK_BYTES });
      assert.equal(large.cause, null);
      const many = Array.from({ length: 100 }, (_, seed) =>
        exchange(cloud, { seed, sendBytes: 10_000, receiveBytes: 30_000 }),
      );
      assert.deepEqual(new Set((await Promise.all(many)).map(({ cause }) => cause)), new Set([null]));
    });

    test('why a caller was not served is told by the client, with what the node found', async () => {
      const { admin } = booted().platform;
      await using silent = await startSilent();
      const limited = { ...silent, more: { connectTimeoutSeconds: 1 } };
      const cases: [code: string, text: RegExp, resource: Endpoint][] = [
        ['CLIENT_RESOURCE_REFUSED', /127\.0\.0\.1:\d+ refused the node/, free(await freePort())],
        ['CLIENT_RESOURCE_NOT_RESOLVED', /the node cannot resolve no\.such\.invalid/, noSuch],
        ['CLIENT_RESOURCE_TIMED_OUT', /did not answer the node within 1 s/, limited],
      ];
      for (const [code, text, resource] of cases) {
        const found = await refused(await make(code, resource));
        assert.equal(found[0], code, found[1]);
        assert.match(found[1], text);
      }
      const denied = await make('denied', servers.echo);
      await using runs = new Caller(denied);
      await runs.echo('before');
      await admin.putAccessList(site.gateway.id, [
        ...everything,
        { action: 'deny', host: '127.0.0.1', port: String(servers.echo.port) },
      ]);
      assert.equal(await runs.ending(), 'ECONNRESET');
      await until(async () => String((await refused(denied))[0]), isOneOf('CLIENT_DENIED'));
      await admin.putAccessList(site.gateway.id, everything);
      // The node has sent the list; that the client has read it is not waited for.
      await until(() => tryEcho(denied), isOneOf('echoed'));
    });

    test('a change is in force at the client when the API has answered: disabled, enabled, another port, deleted', async () => {
      for (let n = 0; n < times; n += 1) {
        const cloud = await make(`changes ${n}`, servers.echo);
        assert.equal(await tryEcho(cloud), 'echoed');
        await using stays = new Caller(cloud);
        await stays.echo('before');
        await update(cloud, { enabled: false });
        assert.equal(await tryEcho(cloud), 'ECONNREFUSED');
        await stays.echo('disabled');
        await update(cloud, { enabled: true });
        assert.equal(await tryEcho(cloud), 'echoed');
        const moved = { ...cloud, port: await freePort() };
        await update(cloud, { clientPort: moved.port });
        assert.equal(await tryEcho(moved), 'echoed');
        assert.equal(await tryEcho(cloud), 'ECONNREFUSED');
        await stays.echo('moved');
        await booted().platform.admin.deleteDestination(site.gateway.id, cloud.destination.id);
        assert.equal(await stays.ending(), 'ECONNRESET');
        assert.equal(await tryEcho(moved), 'ECONNREFUSED');
      }
    });

    test('an access list decides on the first caller at the client after it was put, be it wider or narrower', async () => {
      const cloud = await make('listed', servers.echo);
      const { admin } = booted().platform;
      for (let n = 0; n < times; n += 1) {
        await admin.putAccessList(site.gateway.id, []);
        assert.equal(await tryEcho(cloud), 'ECONNRESET');
        await admin.putAccessList(site.gateway.id, everything);
        assert.equal(await tryEcho(cloud), 'echoed');
      }
    });

    test('a port that two gateways of one client want goes to one, and the other says so and takes it over', async () => {
      const { platform } = booted();
      const { admin } = platform;
      const first = await make('wanted', servers.echo);
      assert.equal(await tryEcho(first), 'echoed');
      const gateway = await admin.createGateway({ name: 'second', requireToken: false });
      await admin.putAccessList(gateway.id, everything);
      const second = await startClient({
        gatewayId: gateway.id,
        connectUrl: platform.connectUrl,
        caFile: platform.caFile,
      });
      await using client: ClientProcess = second;
      const told = await toldAfter(client.part, [String(first.port), 'is taken'], () =>
        admin.createDestination(gateway.id, {
          name: 'wanted too',
          kind: 'cloud',
          resource: pick(servers.echo),
          clientPort: first.port,
        }),
      );
      assert.match(String(told.msg), /callers of wanted too cannot be taken; trying again/);
      const [shown] = await until(
        () => admin.clients(gateway.id),
        ([one]) => typeof one?.listeners[0]?.error === 'string',
      );
      assert.match(String(shown?.listeners[0]?.error), /is taken/);
      const other = await toldAfter(client.part, ['listening for callers of wanted too'], () =>
        admin.deleteDestination(site.gateway.id, first.destination.id),
      );
      assert.equal(other['clientPort'], first.port);
      await until(() => tryEcho(first), isOneOf('echoed'));
    });

    test('a client that is killed listens again when it is started again', async () => {
      const cloud = await make('restarted', servers.echo);
      assert.equal(await tryEcho(cloud), 'echoed');
      await using cut = new Caller(cloud);
      await cut.echo('before');
      await site.client.kill();
      assert.notEqual(await cut.ending(), 'still open');
      assert.equal(await tryEcho(cloud), 'ECONNREFUSED');
      await site.client.part.start();
      await until(() => tryEcho(cloud), isOneOf('echoed'));
      await untilSpread(site);
    });

    if (nodeCount < 2) return;
    test('callers that come before the client has heard that a node died are served, or told within seconds', async () => {
      const [first] = booted().nodes as [Part, Part];
      const cloud = await make('just died', servers.echo);
      site.client.part.kill('SIGSTOP');
      first.kill('SIGKILL');
      await first.exited;
      const callers = Array.from({ length: 4 }, () => new Caller(cloud));
      const outcomes = callers.map(async (caller) => {
        const echoed = caller.echo('hello').then(
          () => 'echoed',
          () => caller.ending(),
        );
        return Promise.race([echoed, caller.ending(20_000)]);
      });
      await Promise.all(callers.map(({ socket }) => once(socket, 'connect')));
      site.client.part.kill('SIGCONT');
      const seen = await Promise.all(outcomes);
      assert.ok(seen.includes('echoed') && !seen.includes('still open'), seen.join(' '));
      await Promise.all(callers.map((caller) => caller[Symbol.asyncDispose]()));
      await first.start();
      await untilSpread(site);
    });

    test('with one of two nodes killed, callers go by the other', async () => {
      const [first] = booted().nodes as [Part, Part];
      const cloud = await make('failing over', servers.echo);
      assert.equal(await tryEcho(cloud), 'echoed');
      // What a caller said to it before the client has seen its end, it may have passed on: such a stream waits a minute for it.
      await toldAfter(site.client.part, ['a tunnel has ended', '"node":"edge-1"'], async () => {
        first.kill('SIGKILL');
        await first.exited;
      });
      for (let n = 0; n < 20; n += 1) assert.equal(await tryEcho(cloud), 'echoed');
      await first.start();
      await untilSpread(site);
    });
  },
  { edge: ['--cloud-local'] },
);

interface Cloud extends Endpoint {
  readonly destination: ShownDestination;
}

const everything = [{ action: 'allow', host: '*', port: '*' }] as const;
const noSuch: Endpoint = { host: 'no.such.invalid', port: 80 };

function free(port: number): Endpoint {
  return { host: '127.0.0.1', port };
}

function pick({ host, port }: Endpoint): Endpoint {
  return { host, port };
}

function isOneOf(...wanted: string[]): (answer: string) => boolean {
  return (answer) => wanted.includes(answer);
}
