// Clients check the resources of destinations, and the choice among them heeds it; a test dials now and tells each step.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import type { AccessRule } from '@postern/contracts';
import {
  type ClientProcess,
  Cluster,
  type Resource,
  type ShownDestination,
  type Site,
  frontAt,
  startClient,
  startEcho,
  startNginx,
  startSite,
  untilServed,
} from '@postern/test-cluster';
import { freePort, until } from '@postern/test-kit';
import { tryEcho } from './fixture/caller.ts';
import { startDatagramEcho } from './fixture/datagrams.ts';
import { onEachPlatform } from './fixture/platforms.ts';

const CALLS = 12;
const statesOf = ({ health }: ShownDestination): Set<string> =>
  new Set(Object.values(health.state).map(({ state }) => state));
const rules: AccessRule[] = [
  { action: 'allow', host: '*', port: '*' },
  { action: 'deny', host: 'forbidden.corp', port: '*' },
];

onEachPlatform(
  (booted) => {
    let echo: Resource;
    let site: Site;
    let other: ClientProcess;

    before(async () => {
      echo = await startEcho();
      const { platform } = booted();
      // The one client has the right address of the name, the other one where nobody listens.
      const client = { args: ['--hosts', 'db.corp=127.0.0.1'], name: 'right' };
      site = await startSite(platform, { resources: {}, client });
      await platform.admin.putAccessList(site.gateway.id, rules);
      other = await startClient({
        gatewayId: site.gateway.id,
        connectUrl: platform.connectUrl,
        caFile: platform.caFile,
        token: site.token.token,
        args: ['--hosts', 'db.corp=127.0.0.99'],
        name: 'wrong',
      });
    });
    after(async () => {
      await other.stop();
      await site.stop();
      await echo.stop();
    });

    const make = async (
      name: string,
      input: { host?: string; port: number; health?: object; resource?: object },
    ): Promise<ShownDestination> => {
      const { platform } = booted();
      const { host = 'db.corp', port, health, resource } = input;
      const body = { name, resource: { host, port, connectTimeoutSeconds: 5, ...resource }, health };
      const destination = await platform.admin.call<ShownDestination>(
        'POST',
        `/gateways/${site.gateway.id}/destinations`,
        body,
      );
      await untilServed(platform, [destination]);
      return destination;
    };
    const shown = (id: string) => booted().platform.admin.destination(site.gateway.id, id);
    const stateAt = (one: ShownDestination, client: ClientProcess) =>
      one.health.state[client.clientId]?.state;

    /** Whether the metrics of each node of a cluster have them as failing. */
    const untilNodesTell = async (ids: readonly string[], failing: boolean): Promise<void> => {
      const { platform } = booted();
      const processes = platform instanceof Cluster ? platform.processes : [];
      for (const { opsUrl } of processes.filter(({ kind }) => kind === 'edge'))
        await until(
          async () => (await fetch(`${opsUrl}/metrics`)).text(),
          (text) =>
            ids.every((id) => {
              const line = `postern_edge_destination_failing_since_seconds{id="${id}",postern_gateway_id="${site.gateway.id}"}`;
              return text.includes(line) === failing;
            }),
        );
    };

    test('each client’s finding is shown, with its cause and since when, and follows the resource', async () => {
      const health = { kind: 'tcp', intervalSeconds: 1 };
      const { id } = await make('checked', { port: echo.port, health });
      const first = await until(
        () => shown(id),
        (one) => stateAt(one, site.client) === 'ok' && stateAt(one, other) === 'failing',
      );
      assert.equal(first.health.status, 'ok');
      const finding = first.health.state[other.clientId];
      assert.match(finding?.cause ?? '', /db\.corp:\d+ \(127\.0\.0\.99\) refused the client's connection/);
      assert.ok(Date.parse(finding?.since ?? '') > Date.now() - 60_000);

      await booted().platform.admin.updateDestination(site.gateway.id, id, {
        resource: { host: '127.0.0.1' },
      });
      await until(
        () => shown(id),
        (one) => stateAt(one, other) === 'ok',
      );
      await booted().platform.admin.updateDestination(site.gateway.id, id, { health: { kind: 'none' } });
      await until(
        () => shown(id),
        (one) => one.health.status === 'unknown' && one.health.kind === 'none',
      );
    });

    test('another access list is seen by checks at once, however long their interval is', async () => {
      const { admin } = booted().platform;
      const health = { kind: 'tcp', intervalSeconds: 3_600 } as const;
      const { host, port } = echo;
      const onPremises = await make('seldom', { host, port, health });
      const cloud = await admin.createDestination(site.gateway.id, {
        name: 'seldom in the cloud',
        kind: 'cloud',
        clientPort: await freePort(),
        resource: { host, port },
        health,
      });
      const untilBoth = (status: string): Promise<unknown> =>
        Promise.all(
          [onPremises, cloud].map(({ id }) =>
            until(
              () => shown(id),
              (one) => isDeepStrictEqual(statesOf(one), new Set([status])),
            ),
          ),
        );
      await untilBoth('ok');
      await untilNodesTell([onPremises.id, cloud.id], false);
      await admin.putAccessList(site.gateway.id, []);
      await untilBoth('failing');
      await untilNodesTell([onPremises.id, cloud.id], true);
      await admin.putAccessList(site.gateway.id, rules);
      await untilBoth('ok');
      await untilNodesTell([onPremises.id, cloud.id], false);
    });

    test('callers go to the client whose check passes, on every node', async () => {
      const { platform, nodes } = booted();
      const destination = await make('chosen', {
        port: echo.port,
        health: { kind: 'tcp', intervalSeconds: 1 },
      });
      await until(
        () => shown(destination.id),
        (one) => stateAt(one, site.client) === 'ok' && stateAt(one, other) === 'failing',
      );
      const refused = /"msg":"a stream was refused: db\.corp/;
      const seen = other.part.line(refused, 1_500).then(
        () => 'asked',
        () => 'left alone',
      );
      for (const index of nodes.keys()) {
        for (let call = 0; call < CALLS; call += 1)
          assert.equal(await tryEcho(frontAt(platform, destination, index)), 'echoed');
      }
      assert.equal(await seen, 'left alone');
    });

    test('an HTTP check wants a good answer of its path', async () => {
      await using nginx = await startNginx();
      const at = { host: '127.0.0.1', port: nginx.port };
      const well = await make('well', { ...at, health: { kind: 'http', path: '/', intervalSeconds: 1 } });
      const ill = await make('ill', {
        ...at,
        health: { kind: 'http', path: '/files/none', intervalSeconds: 1 },
      });
      await until(
        () => shown(well.id),
        (one) => stateAt(one, site.client) === 'ok',
      );
      const found = await until(
        () => shown(ill.id),
        (one) => stateAt(one, site.client) === 'failing',
      );
      assert.match(
        found.health.state[site.client.clientId]?.cause ?? '',
        /\/files\/none was answered with 404/,
      );
    });

    test('a check and a test of an HTTP destination pass where some of its paths are allowed, as its callers do', async () => {
      const { admin } = booted().platform;
      await using nginx = await startNginx();
      const at = { host: '127.0.0.1', port: nginx.port };
      const { id } = await make('some paths', {
        ...at,
        health: { kind: 'http', path: '/', intervalSeconds: 1 },
        resource: { protocol: 'http' },
      });
      const allow = { action: 'allow', host: at.host, port: String(at.port) } as const;
      await admin.putAccessList(site.gateway.id, [{ ...allow, path: '/files' }]);
      try {
        const { ok } = await admin.testDestination(site.gateway.id, id);
        assert.equal(ok, true);
        await until(
          () => shown(id),
          (one) => stateAt(one, site.client) === 'ok',
        );
      } finally {
        await admin.putAccessList(site.gateway.id, rules);
      }
    });

    test('a test tells each step of each client', async () => {
      const { admin } = booted().platform;
      const { id } = await make('tested', { port: echo.port });
      const all = await admin.testDestination(site.gateway.id, id);
      assert.equal(all.ok, false);
      const by = (client: ClientProcess) => all.clients.find(({ clientId }) => clientId === client.clientId);
      assert.deepEqual(
        by(site.client)?.steps.map(({ name, ok }) => [name, ok]),
        [
          ['access list', true],
          ['resolve', true],
          ['connect', true],
        ],
      );
      assert.equal(by(other)?.steps.at(-1)?.ok, false);
      assert.match(by(other)?.steps.at(-1)?.text ?? '', /127\.0\.0\.99\) refused/);
      const one = await admin.testDestination(site.gateway.id, id, site.client.clientId);
      assert.deepEqual([one.ok, one.clients.map(({ name }) => name)], [true, ['right']]);
      await assert.rejects(admin.testDestination(site.gateway.id, id, 'nobody'), {
        status: 404,
        code: 'ROUTER_CLIENT_UNKNOWN',
      });
    });

    test('a test names the rule that denies', async () => {
      const { id } = await make('denied', { host: 'forbidden.corp', port: 80 });
      const { clients } = await booted().platform.admin.testDestination(site.gateway.id, id);
      for (const { steps } of clients) {
        assert.equal(steps.length, 1);
        assert.equal(
          steps[0]?.text,
          `forbidden.corp:80 is denied at the client by the gateway's access list: denied by "deny forbidden.corp:*"`,
        );
      }
    });

    test('of a cloud destination each node checks the resource, and a test is each node’s dial', async () => {
      const { platform, nodes } = booted();
      const names = (await platform.admin.nodes()).map(({ name }) => name).sort();
      assert.equal(names.length, nodes.length);
      await using resource = await startEcho();
      const { id } = await platform.admin.createDestination(site.gateway.id, {
        name: 'cloud',
        kind: 'cloud',
        clientPort: await freePort(),
        resource: { host: '127.0.0.1', port: resource.port },
        health: { kind: 'tcp', intervalSeconds: 1 },
      });
      const well = await until(
        () => shown(id),
        (one) => names.every((name) => one.health.state[name]?.state === 'ok'),
      );
      assert.deepEqual(Object.keys(well.health.state).sort(), names);
      const tested = await platform.admin.testDestination(site.gateway.id, id);
      assert.equal(tested.ok, true);
      assert.deepEqual(
        tested.nodes.map(({ node, steps }) => [node, steps.map(({ name }) => name)]),
        names.map((name) => [name, ['access list', 'resolve', 'connect']]),
      );
      await resource.stop();
      const ill = await until(
        () => shown(id),
        (one) => names.every((name) => one.health.state[name]?.state === 'failing'),
      );
      assert.equal(ill.health.status, 'failing');
      assert.match(ill.health.state[names[0] ?? '']?.cause ?? '', /refused the node's connection/);
      const again = await platform.admin.testDestination(site.gateway.id, id);
      assert.deepEqual([again.ok, again.nodes[0]?.steps.at(-1)?.ok], [false, false]);
      const client = await platform.admin.send(
        'POST',
        `/gateways/${site.gateway.id}/destinations/${id}/test?client=${site.client.clientId}`,
      );
      assert.equal(client.status, 400);
    });

    test('of UDP a check and a test say what can be known: an answer, silence, or that nobody listens', async () => {
      const { admin } = booted().platform;
      const udp = await startDatagramEcho();
      const makeUdp = (name: string, port: number) =>
        admin.createDestination(site.gateway.id, {
          name,
          resource: { host: '127.0.0.1', port },
          front: { protocol: 'udp' },
          health: { kind: 'udp', intervalSeconds: 1 },
        });
      const listening = await makeUdp('udp-there', udp.port);
      const nobody = await makeUdp('udp-nobody', await freePort());
      try {
        await until(
          () => shown(listening.id),
          (one) => stateAt(one, site.client) === 'ok',
        );
        const { clients } = await admin.testDestination(site.gateway.id, listening.id, site.client.clientId);
        assert.deepEqual(
          clients[0]?.steps.map(({ name, ok }) => [name, ok]),
          [
            ['access list', true],
            ['resolve', true],
            ['connect', true],
            ['send', true],
          ],
        );
        const failing = await until(
          () => shown(nobody.id),
          (one) => stateAt(one, site.client) === 'failing',
        );
        const cause = failing.health.state[site.client.clientId]?.cause ?? '';
        assert.match(cause, /takes no datagrams: nobody listens there \(ICMP\)/);
        assert.equal((await admin.testDestination(site.gateway.id, nobody.id)).ok, false);
      } finally {
        await udp.stop();
      }
    });

    test('a ping is answered over every tunnel of a client', async () => {
      const { tunnels } = await booted().platform.admin.pingClient(site.gateway.id, site.client.clientId);
      assert.equal(tunnels.length, 2);
      for (const { ms } of tunnels) assert.ok(ms !== null && ms >= 0);
    });
  },
  { edge: ['--cloud-local'] },
);
