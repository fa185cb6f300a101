// Two balancers hold one static address in front of a node. The one that holds it is told to stop under load: nobody who is
// served at that moment notices, whether he is done in a moment or in the drain's last second, and whoever comes meanwhile
// is served by the other. Of one that dies nothing is passed on.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { makeScratch } from '@postern/test-cluster';
import { patience, timed, until } from './caller.ts';
import { Held, callAllTheTime, carrier, startNode } from './network/carried-caller.ts';
import { TunnelEnd, keepTunnel } from './network/carried-tunnel.ts';
import { Machine } from './network/machine.ts';
import { isInside, makeBridge, runInside, worldMissing } from './network/world.ts';

const familyVariable = 'POSTERN_TEST_FAMILY';
const isIPv6 = process.env[familyVariable] === 'IPv6';
const net = '10.99.8';
/** Where callers and the other machine know a machine; nodes are IPv4 in any case. */
const addressOf = (n: number): string => (isIPv6 ? `fd00:8::${n}` : `${net}.${n}`);
const staticAddress = addressOf(200);
const front = { host: staticAddress, port: 15_000 };
const one = { name: 'balancer-1', address: `${net}.21`, own: addressOf(21), peer: addressOf(22) };
const other = { name: 'balancer-2', address: `${net}.22`, own: addressOf(22), peer: addressOf(21) };
type BalancerPlace = typeof one;

/** Both are this process. */
const nodes = { 'edge-1': `${net}.1`, 'edge-2': `${net}.2` };
const tunnelPort = 9000;
const callersAtOnce = 4;
const drainGraceMs = 20_000;
/** More than all buffers on the way hold. */
const long = 64 * 1024 * 1024;
const piece = 16 * 1024;
/** Slowly given, as on a busy machine that looks after each, pieces would only make the buffers grow. */
const piecesAtOnce = 8;
/** As often it is looked whether what waits stays as it is. */
const looksAtLeast = 20;

const missing = isInside ? null : worldMissing();

if (isInside) describe('a balancer that is told to stop', inWorld);
else {
  describe('a balancer that is told to stop, in a network of its own', { concurrency: true }, () => {
    for (const family of ['IPv4', 'IPv6']) {
      test(
        `with a static address of ${family}`,
        { skip: missing === null ? false : `SKIPPED: ${missing}` },
        async () => assert.equal(await runInside(import.meta.url, { [familyVariable]: family }), 0),
      );
    }
  });
}

function inWorld(): void {
  const machines = new Map<string, Machine>();
  let state: string;

  before(async () => {
    state = await makeScratch('handover');
    const hosts = join(state, 'hosts');
    await writeFile(hosts, '127.0.0.1 localhost\n');
    makeBridge(Object.values(nodes), hosts);
    if (isIPv6) execFileSync('ip', `address add ${addressOf(1)}/64 dev br0 nodad`.split(' '));
    for (const address of Object.values(nodes)) await startNode(address, front.port);
    await start(one);
    await until('the address is held', 20_000, async () => (await carrier(front)) === one.address);
    await start(other);
  });
  after(async () => {
    for (const machine of machines.values()) await machine.kill();
  });

  test('no caller fails; what began before it ends through it, what begins later is served by the other within 2 s', async () => {
    await ready(other);
    const callers = callAllTheTime(front, callersAtOnce);
    const idle = await Held.open(front);
    const download = await Held.open(front);
    download.ask(`bytes ${long}`);
    download.ask('end');
    const stopped = machineOf(one).stop();
    const movedMs = await timed(
      until('the other', 2_000, async () => (await carrier(front)) === other.address),
    );
    assert.equal(await idle.answer('who'), one.address);
    assert.equal(await download.rest(), long);
    const before = callers.served;
    await until('callers of the other', 10_000, () => Promise.resolve(callers.served > before + 50));
    assert.equal(await idle.answer('who'), one.address);
    idle.socket.end();
    await stopped;
    const { failures, served, slowestMs } = await callers.stop();
    say(
      `moved after ${movedMs.toFixed(0)} ms; ${served} callers, the slowest waited ${slowestMs.toFixed(0)} ms`,
    );
    assert.deepEqual(failures, []);
    await leavesNothing(other);
  });

  test('back again: it stays for what closed connections have left to send, and nothing is left in the system of either', async () => {
    await start(one);
    await ready(one);
    const leaver = machineOf(other);
    leaver.keepNetwork();
    const callers = callAllTheTime(front, callersAtOnce);
    const download = await Held.open(front);
    let asked = 0;
    let last = 0;
    let looks = 0;
    await until('bytes wait for their caller', 10_000, () => {
      // What is on its way becomes less; what stays as it is waits for room at its caller.
      const waiting = mostToSend(leaver);
      looks = waiting === last ? looks + 1 : 0;
      last = waiting;
      if (waiting > piece) return Promise.resolve(looks >= looksAtLeast);
      for (let count = 0; count < piecesAtOnce; count += 1) download.ask(`bytes ${piece}`);
      asked += piecesAtOnce * piece;
      return Promise.resolve(false);
    });
    // A connection that its caller has ended too ends for haproxy once the system has taken its last byte.
    download.socket.end('end\n');
    let isGone = false;
    const stopped = leaver.stop().then(() => (isGone = true));
    await until('its haproxy ends', 10_000, () => Promise.resolve(!isListening(leaver)));
    const before = callers.served;
    await until('callers of the other', 10_000, () => Promise.resolve(callers.served > before + 200));
    assert.equal(isGone, false);
    assert.equal(await download.rest(), asked);
    await stopped;
    assert.deepEqual((await callers.stop()).failures, []);
    await leavesNothing(other);
    await leavesNothing(one);
  });

  test('one that is killed leaves nobody waiting: its callers are reset when they speak', async () => {
    await machineOf(other).kill();
    await start(other);
    await ready(other);
    const held = await Held.open(front);
    await machineOf(one).cut();
    const resetMs = await timed(held.isReset(5_000));
    say(`reset after ${resetMs.toFixed(0)} ms`);
    await until('the other', 2_000, async () => (await carrier(front)) === other.address);
  });

  test('one that dies while it leaves is passed on to no longer', async () => {
    await start(one);
    await ready(one);
    const held = await Held.open(front);
    const leaver = machineOf(other);
    void leaver.stop();
    await until('the other', 2_000, async () => (await carrier(front)) === one.address);
    assert.equal(await held.answer('who'), other.address);
    await leaver.cut();
    await held.isReset(20_000);
    await leavesNothing(one);
  });

  test('both are told to stop: the second is refused what the first cannot do for it, and ends nevertheless', async () => {
    await start(other);
    await ready(other);
    const held = await Held.open(front);
    const first = machineOf(one).stop();
    await until('the other', 2_000, async () => (await carrier(front)) === other.address);
    assert.equal(await held.answer('who'), one.address);
    const second = machineOf(other).stop();
    await until('it is told why', 5_000, async () =>
      /refused: this machine leaves too/.test(await log(other)),
    );
    held.socket.destroy();
    await Promise.all([first, second]);
  });

  test('what one that was killed in the middle has left is taken back at its next start; only a peer is heard', async () => {
    const families = isIPv6 ? ['ip6'] : ['arp', 'ip'];
    const tables = families.map((family) => `nft add table ${family} postern_balancer`);
    await start(one, ...tables, `ip address add ${staticAddress}/${isIPv6 ? 128 : 32} dev lo`);
    await until('it serves', 20_000, async () => (await carrier(front)) === one.address);
    await leavesNothing(one);
    const socket = connect({ host: one.own, port: 9107 });
    let words = '';
    socket.setEncoding('utf8').on('data', (text: string) => (words += text));
    await once(socket, 'close', { signal: AbortSignal.timeout(5_000 * patience) });
    assert.equal(words, '');
    await leavesNothing(one);
  });

  test('tunnels of one node after the other come back through the other machine: a client is never without', async () => {
    await start(other);
    await ready(other);
    let fewest = Infinity;
    const open = (): number => ends.filter(({ carriers }) => carriers.length > 0).length;
    const note = (): void => void (fewest = Math.min(fewest, open()));
    const ends = await Promise.all(
      Object.values(nodes).map((address) => TunnelEnd.start(address, tunnelPort, note)),
    );
    const tunnels = Object.keys(nodes).map((name) =>
      keepTunnel({ host: staticAddress, port: tunnelPort }, `${name}.tunnel.gw.example`),
    );
    const areBy = (address: string) => (): Promise<boolean> =>
      Promise.resolve(ends.every(({ carriers }) => carriers.join() === address));
    await until('both are up', 10_000, areBy(one.address));
    fewest = Infinity;
    const stopped = machineOf(one).stop();
    await until('both are back', 15_000, areBy(other.address));
    assert.equal(fewest, 1);
    await stopped;
    assert(await areBy(other.address)(), 'they stay when the machine has gone');
    assert.equal(fewest, 1);
    for (const end of tunnels) end();
    await leavesNothing(other);
  });

  function machineOf({ name }: BalancerPlace): Machine {
    const machine = machines.get(name);
    assert(machine !== undefined);
    return machine;
  }

  /** Both of the system's changes are undone once the leaver is gone, which the other hears at once. */
  async function leavesNothing(place: BalancerPlace): Promise<void> {
    const machine = machineOf(place);
    await until(`nothing is left on ${place.name}`, 2_000, () =>
      Promise.resolve(
        machine.inside('nft list ruleset') === '' &&
          !machine.inside('ip address show dev lo').includes(staticAddress),
      ),
    );
  }

  /** The most that a connection of its has still to send. */
  function mostToSend(machine: Machine): number {
    const lines = machine.inside(`ss -H -t -n state established src [${staticAddress}]`).trim().split('\n');
    return Math.max(...lines.map((line) => Number(line.trim().split(/\s+/)[1] ?? 0)));
  }

  function isListening(machine: Machine): boolean {
    return machine.inside(`ss -H -t -n -l sport = :${front.port}`) !== '';
  }

  /** It passes connections on, and would take the address. */
  async function ready({ name, address, own }: BalancerPlace): Promise<void> {
    await until(
      `${name} serves`,
      20_000,
      async () => (await carrier({ ...front, host: address })) === address,
    );
    await until(`${name} may be asked`, 5_000, () => isOpen(own, 9107));
  }

  function log({ name }: BalancerPlace): Promise<string> {
    return readFile(join(state, `${name}.log`), 'utf8');
  }

  /** Starts one, where these commands were run before. */
  async function start(place: BalancerPlace, ...before: readonly string[]): Promise<void> {
    const main = new URL('../../../apps/balancer/src/main.ts', import.meta.url).pathname;
    const flags = {
      state: join(state, place.name),
      nodes: Object.entries(nodes)
        .map(([name, address]) => `${name}=${address}`)
        .join(),
      'platform-host': 'gw.example',
      'virtual-addresses': `${staticAddress}/${isIPv6 ? 64 : 24}`,
      'listen-host': isIPv6 ? '::' : '*',
      'own-address': place.own,
      peers: place.peer,
      'drain-grace-ms': drainGraceMs,
    };
    const args = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, String(value)]);
    const own = isIPv6 ? [`ip address add ${place.own}/64 dev eth0 nodad`] : [];
    const logFile = join(state, `${place.name}.log`);
    machines.set(
      place.name,
      await Machine.start({
        ...place,
        command: [
          'sh',
          '-c',
          [...own, ...before, 'exec "$@"'].join(' && '),
          'sh',
          process.execPath,
          main,
          ...args,
        ],
        logFile,
      }),
    );
  }
}

function isOpen(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}

function say(words: string): void {
  process.stdout.write(`    ${words}\n`);
}
