// Two balancers hold one static address in front of a node. The one that holds it is told to stop under load: nobody who is
// served at that moment notices, whether he is done in a moment or in the drain's last second, and whoever comes meanwhile
// is served by the other. Of one that dies nothing is passed on.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { type Socket, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { makeScratch } from '@postern/test-cluster';
import { patience, timed, until } from './caller.ts';
import { Machine } from './network/machine.ts';
import { isInside, makeBridge, runInside, worldMissing } from './network/world.ts';

const net = '10.99.8';
const staticAddress = `${net}.200`;
const front = { host: staticAddress, port: 15_000 };
const one = { name: 'balancer-1', address: `${net}.21`, peer: `${net}.22` };
const other = { name: 'balancer-2', address: `${net}.22`, peer: `${net}.21` };
type BalancerPlace = typeof one;

const callersAtOnce = 4;
const drainGraceMs = 20_000;
/** More than all buffers on the way hold. */
const long = 64 * 1024 * 1024;
const piece = 16 * 1024;

const missing = isInside ? null : worldMissing();

if (isInside) describe('a balancer that is told to stop', inWorld);
else {
  test(
    'a balancer that is told to stop, in a network of its own',
    { skip: missing === null ? false : `SKIPPED: ${missing}` },
    async () => assert.equal(await runInside(import.meta.url), 0),
  );
}

function inWorld(): void {
  const machines = new Map<string, Machine>();
  let state: string;

  before(async () => {
    state = await makeScratch('handover');
    const hosts = join(state, 'hosts');
    await writeFile(hosts, '127.0.0.1 localhost\n');
    makeBridge([`${net}.1`], hosts);
    await startNode();
    await start(one);
    await until('the address is held', 20_000, async () => (await carrier()) === one.address);
    await start(other);
  });
  after(async () => {
    for (const machine of machines.values()) await machine.kill();
  });

  test('no caller fails; what began before it ends through it, what begins later is served by the other within 2 s', async () => {
    await ready(other);
    const callers = callAllTheTime();
    const idle = await Held.open();
    const download = await Held.open();
    download.ask(`bytes ${long}`);
    download.ask('end');
    const stopped = machineOf(one).stop();
    const movedMs = await timed(until('the other', 2_000, async () => (await carrier()) === other.address));
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
    const callers = callAllTheTime();
    const download = await Held.open();
    let asked = 0;
    await until('bytes wait for their caller', 10_000, () => {
      download.ask(`bytes ${piece}`);
      asked += piece;
      return Promise.resolve(mostToSend(leaver) > piece);
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
    const held = await Held.open();
    await machineOf(one).cut();
    const resetMs = await timed(held.isReset(5_000));
    say(`reset after ${resetMs.toFixed(0)} ms`);
    await until('the other', 2_000, async () => (await carrier()) === other.address);
  });

  test('one that dies while it leaves is passed on to no longer', async () => {
    await start(one);
    await ready(one);
    const held = await Held.open();
    const leaver = machineOf(other);
    void leaver.stop();
    await until('the other', 2_000, async () => (await carrier()) === one.address);
    assert.equal(await held.answer('who'), other.address);
    await leaver.cut();
    await held.isReset(20_000);
    await leavesNothing(one);
  });

  test('both are told to stop: the second is refused what the first cannot do for it, and ends nevertheless', async () => {
    await start(other);
    await ready(other);
    const held = await Held.open();
    const first = machineOf(one).stop();
    await until('the other', 2_000, async () => (await carrier()) === other.address);
    assert.equal(await held.answer('who'), one.address);
    const second = machineOf(other).stop();
    await until('it is told why', 5_000, async () =>
      /refused: this machine leaves too/.test(await log(other)),
    );
    held.socket.destroy();
    await Promise.all([first, second]);
  });

  test('what one that was killed in the middle has left is taken back at its next start; only a peer is heard', async () => {
    const left = ['nft add table arp postern_balancer', 'nft add table ip postern_balancer'];
    await start(one, ...left, `ip address add ${staticAddress}/32 dev lo`);
    await until('it serves', 20_000, async () => (await carrier()) === one.address);
    await leavesNothing(one);
    const socket = connect({ host: one.address, port: 9107 });
    let words = '';
    socket.setEncoding('utf8').on('data', (text: string) => (words += text));
    await once(socket, 'close', { signal: AbortSignal.timeout(5_000 * patience) });
    assert.equal(words, '');
    await leavesNothing(one);
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
    const lines = machine.inside(`ss -H -t -n state established src ${staticAddress}`).trim().split('\n');
    return Math.max(...lines.map((line) => Number(line.trim().split(/\s+/)[1] ?? 0)));
  }

  function isListening(machine: Machine): boolean {
    return machine.inside(`ss -H -t -n -l sport = :${front.port}`) !== '';
  }

  /** It passes connections on, and would take the address. */
  async function ready({ name, address }: BalancerPlace): Promise<void> {
    await until(`${name} serves`, 20_000, async () => (await carrier(address)) === address);
    await until(`${name} may be asked`, 5_000, () => isOpen(address, 9107));
  }

  function log({ name }: BalancerPlace): Promise<string> {
    return readFile(join(state, `${name}.log`), 'utf8');
  }

  /** Starts one, where these commands were run before. */
  async function start(place: BalancerPlace, ...before: readonly string[]): Promise<void> {
    const main = new URL('../../../apps/balancer/src/main.ts', import.meta.url).pathname;
    const flags = {
      state: join(state, place.name),
      nodes: `edge-1=${net}.1`,
      'platform-host': 'gw.example',
      'virtual-addresses': `${staticAddress}/24`,
      'own-address': place.address,
      peers: place.peer,
      'drain-grace-ms': drainGraceMs,
    };
    const args = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, String(value)]);
    const logFile = join(state, `${place.name}.log`);
    machines.set(
      place.name,
      await Machine.start({
        ...place,
        command: ['sh', '-c', [...before, 'exec "$@"'].join(' && '), 'sh', process.execPath, main, ...args],
        logFile,
      }),
    );
  }
}

/** A node that says which balancer brought the caller, and sends as many bytes as he wants. */
async function startNode(): Promise<void> {
  const ops = createHttpServer((_, response) => response.end());
  ops.listen(9101, `${net}.1`);
  const node = createServer((socket) => {
    let asked = '';
    socket.on('error', () => {});
    socket.setEncoding('utf8').on('data', (text: string) => {
      asked += text;
      const lines = asked.split('\n');
      asked = lines.pop() ?? '';
      for (const [word, bytes] of lines.map((line) => line.split(' '))) {
        if (word === 'who') socket.write(`${socket.remoteAddress}\n`);
        else if (word === 'bytes') socket.write(Buffer.alloc(Number(bytes), 'x'));
        else socket.end();
      }
    });
  });
  node.listen(front.port, `${net}.1`);
  await Promise.all([once(ops, 'listening'), once(node, 'listening')]);
}

/** A connection that is held, and read only when an answer is awaited. */
class Held {
  readonly socket: Socket;
  readonly #chunks: AsyncIterator<Buffer>;

  private constructor(socket: Socket) {
    this.socket = socket;
    this.#chunks = socket.iterator({ destroyOnReturn: false });
  }

  static async open(): Promise<Held> {
    const socket = connect({ ...front, noDelay: true });
    await once(socket, 'connect', { signal: AbortSignal.timeout(10_000 * patience) });
    const held = new Held(socket);
    await held.answer('who');
    return held;
  }

  ask(words: string): void {
    this.socket.write(`${words}\n`);
  }

  async answer(words: string): Promise<string> {
    this.ask(words);
    let received = '';
    while (!received.endsWith('\n')) received += String((await this.#read()) ?? assert.fail('it has ended'));
    return received.trim();
  }

  /** How many bytes come until the end. */
  async rest(): Promise<number> {
    let received = 0;
    for (;;) {
      const chunk = await this.#read();
      if (chunk === null) return received;
      received += chunk.length;
    }
  }

  /** Speaks, and is told that there is no such connection. */
  async isReset(withinMs: number): Promise<void> {
    this.ask('who');
    await assert.rejects(this.#read(withinMs), { code: 'ECONNRESET' });
  }

  async #read(withinMs = 15_000): Promise<Buffer | null> {
    const late = delay(withinMs * patience, 'late' as const, { ref: false });
    const next = await Promise.race([this.#chunks.next(), late]);
    assert(next !== 'late', `nothing came within ${withinMs * patience} ms`);
    return next.done === true ? null : next.value;
  }
}

/** The own address of the balancer that carries a new connection; null when none does. */
async function carrier(host = front.host): Promise<string | null> {
  try {
    return await request(host, 1_000);
  } catch {
    return null;
  }
}

function request(host: string, withinMs: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect({ host, port: front.port, noDelay: true });
  socket.setTimeout(withinMs, () => socket.destroy(new Error(`no answer within ${withinMs} ms`)));
  socket.on('error', reject).on('close', () => reject(new Error('closed without an answer')));
  socket.on('connect', () => socket.write('who\n'));
  socket.setEncoding('utf8').on('data', (text: string) => {
    socket.destroy();
    resolve(text.trim());
  });
  return promise;
}

function isOpen(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}

/** Callers without a pause, each with a connection of his own. */
function callAllTheTime() {
  const result = { served: 0, failures: [] as string[], slowestMs: 0, stopped: false };
  const call = async (): Promise<void> => {
    while (!result.stopped) {
      const startedAt = performance.now();
      try {
        await request(front.host, 10_000);
        result.served += 1;
      } catch (error) {
        result.failures.push(String(error));
      }
      result.slowestMs = Math.max(result.slowestMs, performance.now() - startedAt);
    }
  };
  const ended = Promise.all(Array.from({ length: callersAtOnce }, call));
  return {
    get served() {
      return result.served;
    },
    async stop() {
      result.stopped = true;
      await ended;
      return result;
    },
  };
}

function say(words: string): void {
  process.stdout.write(`    ${words}\n`);
}
