// Two balancers hold one static address in front of two nodes. The machine that holds it is killed, a node is killed, and
// callers of the same address, host and port are served again in time; the list of nodes changes and nothing is cut.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  type Cluster,
  type Resource,
  type Site,
  bootCluster,
  makeScratch,
  startEcho,
  startProbe,
  startSite,
} from '@postern/test-cluster';
import { echoed, timed, until } from './caller.ts';
import { Machine } from './network/machine.ts';
import {
  hardwareAddress,
  hardwareOf,
  isInside,
  makeBridge,
  runInside,
  worldMissing,
} from './network/world.ts';

const net = '10.99.7';
const staticAddress = `${net}.200`;
const balancers = [
  { name: 'balancer-1', address: `${net}.21`, peer: `${net}.22`, priority: 150 },
  { name: 'balancer-2', address: `${net}.22`, peer: `${net}.21`, priority: 100 },
] as const;
type BalancerPlace = (typeof balancers)[number];

const mangled = 'EDGE_HTTP_ANSWER_MALFORMED';

const missing = isInside ? null : worldMissing();

if (isInside) describe('one static address on two balancers', inWorld);
else {
  test(
    'one static address on two balancers, in a network of its own',
    { skip: missing === null ? false : `SKIPPED: ${missing}` },
    async () => assert.equal(await runInside(import.meta.url), 0),
  );
}

function inWorld(): void {
  const machines = new Map<string, Machine>();
  let cluster: Cluster;
  let echo: Resource;
  let site: Site;
  let state: string;
  let front: { host: string; port: number };
  let first: BalancerPlace;

  before(async () => {
    const own = [1, 2, 101, 102, 103, 104, 111, 121, 254].map((n) => `${net}.${n}`);
    state = await makeScratch('balancer');
    const hosts = join(state, 'hosts');
    await writeFile(hosts, `127.0.0.1 localhost\n${net}.1 edge-1\n${net}.2 edge-2\n`);
    makeBridge(own, hosts);
    echo = await startEcho();
    cluster = await bootCluster({
      net,
      nodes: 2,
      frontPorts: { first: 15_000, last: 15_099 },
      args: {
        certstore: ['--certificate-addresses', [...own, staticAddress].join(',')],
        edge: Object.entries({
          'advertise-host': staticAddress,
          'certificate-names': staticAddress,
          'trusted-balancers': balancers.map(({ address }) => address).join(','),
          'proxy-protocol-ports': '8080,8443,15000-15099',
        }).flatMap(([flag, value]) => [`--${flag}`, value]),
      },
    });
    for (const place of balancers) machines.set(place.name, await startBalancer(place));
    await until('a balancer holds the address', 20_000, () => reaches(443));
    site = await startSite(cluster, { resources: { echo }, connectUrl: `https://${staticAddress}:443` });
    front = { host: staticAddress, port: site.front('echo').port };
    await until('callers of the static address are served', 10_000, () => echoed(front));
  });
  after(async () => {
    for (const machine of machines.values()) await machine.kill();
    await site?.stop();
    await cluster?.stop();
    await echo?.stop();
  });

  test('tunnels reach the node that their server name means: a client has one to each', async () => {
    const nodes = await until('two tunnels', 15_000, async () => {
      const nodes = await tunnelNodes();
      return nodes.length === 2 ? nodes : null;
    });
    assert.deepEqual(nodes, ['edge-1', 'edge-2']);
  });

  test('source rules judge the caller’s own address, which the balancer tells by PROXY protocol', async () => {
    const only = (source: string): Promise<unknown> =>
      cluster.admin.putSourceRules(site.gateway.id, site.destination('echo').id, {
        restricted: true,
        rules: [{ source }],
      });
    await only(`${net}.20/30`);
    await until('the caller is turned away', 10_000, async () => !(await echoed(front)));
    await only(`${net}.0/28`);
    await until('the caller is served', 10_000, () => echoed(front));
  });

  test('plain HTTP on port 80 reaches the front that its Host names, and the nodes know who calls', async () => {
    const { host, port } = echo;
    const { httpPort } = cluster.layout;
    await cluster.admin.createDestination(site.gateway.id, {
      name: 'web',
      resource: { host, port },
      front: { protocol: 'http', host: 'web.example', port: httpPort },
    });
    // The echo is no HTTP, which the node tells who called by name; another name is nobody's.
    await until('the name is known', 10_000, async () => (await codeFor('web.example')) === mangled);
    assert.equal(await codeFor('other.example'), 'EDGE_HTTP_NAME_UNKNOWN');
  });

  test('the power of the machine that holds the address is cut: the same address answers within 2 s, callers are served once a tunnel is back', async () => {
    first = holder();
    await machines.get(first.name)?.cut();
    const answeredMs = await timed(until('the same address', 2_000, () => reaches(443)));
    const servedMs = await timed(until('a caller', 15_000, () => echoed(front)));
    say('power of the balancer cut', answeredMs, answeredMs + servedMs);
  });

  test('the machine that comes back leaves the address where it is, and takes it within 2 s when the other is killed', async () => {
    machines.set(first.name, await startBalancer(first));
    await until('it passes connections on', 20_000, () => echoed({ ...front, host: first.address }));
    const second = holder();
    assert.notEqual(second.name, first.name);
    await machines.get(second.name)?.kill();
    const answeredMs = await timed(until('the same address', 2_000, () => reaches(443)));
    const servedMs = await timed(until('a caller', 5_000, () => echoed(front)));
    say('the balancer killed', answeredMs, answeredMs + servedMs);
  });

  test('a node is killed: new connections to the same address and port are served within 2 s', async () => {
    await until(
      'the client has a tunnel to each node again',
      20_000,
      async () => (await tunnelNodes()).length === 2,
    );
    // Enough that each node has some.
    const held = await Promise.all(Array.from({ length: 8 }, () => startProbe(front)));
    const [staying, leaving] = await until('each of them is at a node', 5_000, async () => {
      const callers = [await callersOf('edge-1'), await callersOf('edge-2')] as const;
      return callers[0] + callers[1] === held.length && callers;
    });
    assert.ok(staying > 0 && leaving > 0, 'all callers are at one node');
    await cluster.kill('edge-2');
    const servedMs = await timed(until('a new connection', 2_000, () => echoed(front)));
    const lost = await until('callers of the dead node are told', 2_000, async () => {
      const ended = held.filter(({ socket }) => socket.destroyed);
      return ended.length === leaving && ended;
    });
    for (const probe of held) if (!lost.includes(probe)) await probe.run();
    for (const probe of held) await probe[Symbol.asyncDispose]();
    say('a node behind balancers killed', 0, servedMs);
  });

  /** A row of the table of faults, as `report` of the fault tests shows it; who runs this inside sees no diagnostics. */
  function say(what: string, answeredMs: number, servedMs: number): void {
    const fault = answeredMs === 0 ? what : `${what}, address back after ${answeredMs.toFixed(0)} ms`;
    process.stdout.write(`    | ${fault} | 1 done | 0 failed | ${servedMs.toFixed(0)} ms |\n`);
  }

  /** Whose hardware answers for the static address. */
  function holder(): BalancerPlace {
    const hardware = hardwareOf(staticAddress);
    const place = balancers.find(({ address }) => hardwareAddress(address) === hardware);
    assert(place !== undefined, `nobody holds the address: ${hardware}`);
    return place;
  }

  async function tunnelNodes(): Promise<string[]> {
    const clients = await cluster.admin.clients(site.gateway.id);
    return [...new Set(clients.flatMap(({ tunnels }) => tunnels.map(({ node }) => node)))].toSorted();
  }

  async function callersOf(node: string): Promise<number> {
    const { opsUrl } = cluster.processes.find(({ name }) => name === node) ?? {};
    const metrics = await (await fetch(`${opsUrl}/metrics`)).text();
    return Number(/^postern_edge_callers\{state="open"\} (\d+)$/m.exec(metrics)?.[1] ?? 0);
  }

  /** The code of the problem that a request gets on port 80. */
  function codeFor(name: string): Promise<string | null> {
    return new Promise((resolve) => {
      const socket = connect({ host: staticAddress, port: 80 });
      socket.on('error', () => resolve(null));
      let received = '';
      socket.setEncoding('utf8').on('data', (text: string) => (received += text));
      socket.on('close', () => resolve(/"code":"(\w+)"/.exec(received)?.[1] ?? null));
      socket.end(`GET / HTTP/1.1\r\nHost: ${name}\r\nConnection: close\r\n\r\n`);
    });
  }

  function reaches(port: number, host: string = staticAddress): Promise<boolean> {
    return echoed({ host, port }, { connectOnly: true });
  }

  function startBalancer({ name, address, peer, priority }: BalancerPlace): Promise<Machine> {
    const main = new URL('../../../apps/balancer/src/main.ts', import.meta.url).pathname;
    const flags = {
      state: join(state, name),
      'platform-host': cluster.platformHost,
      'admin-url': cluster.adminUrl,
      'admin-key-file': join(cluster.state, 'api-key'),
      'admin-ca-file': cluster.caFile,
      'node-address': '{name}',
      'node-connect-port': cluster.layout.connectPort,
      'node-http-port': cluster.layout.httpPort,
      'node-tunnel-port': cluster.layout.tunnelPort,
      'virtual-addresses': `${staticAddress}/24`,
      'own-address': address,
      peers: peer,
      priority,
    };
    const args = ['--proxy-protocol'].concat(
      Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, String(value)]),
    );
    return Machine.start({
      name,
      address,
      command: [process.execPath, main, ...args],
      logFile: join(state, `${name}.log`),
    });
  }
}
