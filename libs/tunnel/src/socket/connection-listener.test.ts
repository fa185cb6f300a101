import assert from 'node:assert/strict';
import dns from 'node:dns';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, type Socket, connect, createServer, isIP } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn, setTimeout as timer } from 'node:timers/promises';
import { currentTurn } from '../loop-turn.ts';
import { ConnectionListener, furtherMax } from './connection-listener.ts';

const host = '127.0.0.1';
const notOnLinux = process.platform !== 'linux';
const never = (): void => assert.fail('it was not to be told');

test('a port whose listener was closed before it was bound is let go of', async () => {
  const port = await freePort();
  const closed = new ConnectionListener({
    host,
    port,
    onConnection: never,
    onListening: never,
    onError: never,
    onNotAccepted: never,
  });
  closed.close();
  closed.close();
  // A turn later the system has given it the port, and the next one has that.
  await nextTurn();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const next = new ConnectionListener({
    host,
    port,
    onConnection: (socket) => socket.end('next'),
    onListening: resolve,
    onError: reject,
    onNotAccepted: never,
  });
  await promise;
  assert.deepEqual([closed.listening, next.listening, next.port], [false, true, port]);
  const caller = connect(port, host);
  const [data] = await once(caller, 'data');
  assert.equal(String(data), 'next');
  next.close();
  caller.destroy();
});

test('of connections that wait for their turn several are taken in one', { skip: notOnLinux }, async () => {
  const { turns, onConnection } = counter();
  const listener = await listening(0, onConnection);
  await storm(listener.port, () => mostAtOnce(turns) > 1);
  assert.ok(mostAtOnce(turns) > 1);
  const { port } = listener;
  listener.close();
  const [error] = (await once(connect(port, host), 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNREFUSED');
});

test(
  'a port has one socket while its connections do not wait, and no more than eight',
  { skip: notOnLinux },
  async (context) => {
    const { turns, onConnection } = counter();
    const listener = await listening(0, onConnection);
    context.after(() => listener.close());
    for (let calls = 0; calls < 20; calls += 1) {
      await once(connect(listener.port, host).resume(), 'close');
      await beenIdle();
    }
    assert.deepEqual([turns.length, socketsAt([listener.port])], [20, 1]);
    keepBusy(context);
    await storm(listener.port, () => turns.length > 200);
    assert.equal(socketsAt([listener.port]), 8);
  },
);

test('processes that share a port have one socket each', { skip: notOnLinux }, async (context) => {
  const { turns, onConnection } = counter();
  const port = await freePort();
  for (let processes = 0; processes < 2; processes += 1) {
    const listener = await listening(port, onConnection, host, true);
    context.after(() => listener.close());
  }
  keepBusy(context);
  await storm(port, () => turns.length > 70);
  assert.equal(socketsAt([port]), 2);
});

test('a name is looked up once, however many sockets listen there', { skip: notOnLinux }, async (context) => {
  const port = await freePort();
  let looked = 0;
  context.mock.method(dns, 'lookup', ((name, _options, done) => {
    const address = isIP(name) === 0 ? `127.0.0.${(looked += 1)}` : name;
    process.nextTick(done, null, address, 4);
  }) as typeof dns.lookup);
  const { turns, onConnection } = counter();
  const listener = await listening(port, onConnection, 'front.corp');
  context.after(() => listener.close());
  await storm(port, () => mostAtOnce(turns) > 1);
  assert.ok(mostAtOnce(turns) > 1);
  assert.equal(looked, 1);
});

test(
  'all ports together have no more than so many sockets beside their first',
  { skip: notOnLinux },
  async (context) => {
    const listeners: ConnectionListener[] = [];
    keepBusy(context);
    context.after(() => listeners.forEach((listener) => listener.close()));
    const further = (): number => socketsAt(listeners.map(({ port }) => port)) - listeners.length;
    const add = async (): Promise<void> => {
      const { turns, onConnection } = counter();
      const listener = await listening(0, onConnection);
      listeners.push(listener);
      // More than it takes for seven.
      await storm(listener.port, () => turns.length > 70);
    };
    while (listeners.length < furtherMax / 7 + 1) await add();
    assert.equal(further(), furtherMax);
    // What was closed counts no more.
    listeners.shift()?.close();
    await add();
    assert.equal(further(), furtherMax);
  },
);

test('a port that another listener has is refused, though more sockets could listen there', async (context) => {
  const first = await listening(0, (socket) => socket.destroy());
  context.after(() => first.close());
  const { promise, resolve, reject } = Promise.withResolvers<NodeJS.ErrnoException>();
  const second = new ConnectionListener({
    host,
    port: first.port,
    onConnection: never,
    onListening: () => reject(new Error('it listens')),
    onError: resolve,
    onNotAccepted: never,
  });
  assert.equal((await promise).code, 'EADDRINUSE');
  assert.equal(second.listening, false);
  second.close();
});

async function freePort(): Promise<number> {
  const holder = createServer().listen(0, host);
  await once(holder, 'listening');
  const { port } = holder.address() as AddressInfo;
  holder.close();
  await once(holder, 'close');
  return port;
}

/** The loop is not idle until the test is over. */
function keepBusy(context: TestContext): void {
  let spins = true;
  const spin = (): unknown => spins && setImmediate(spin);
  spin();
  context.after(() => {
    spins = false;
  });
}

/** In which turn of the loop each connection was taken. */
function counter(): { turns: number[]; onConnection: (socket: Socket) => void } {
  const turns: number[] = [];
  const onConnection = (socket: Socket): void => {
    turns.push(currentTurn());
    socket.destroy();
  };
  return { turns, onConnection };
}

/** Resolves when the loop has waited for something: on a full machine a timer may be over before it could. */
async function beenIdle(): Promise<void> {
  const { idle } = performance.eventLoopUtilization();
  while (performance.eventLoopUtilization().idle === idle) await timer(1);
}

/** Many dial at once, wave after wave, until it is enough. */
async function storm(port: number, isEnough: () => boolean): Promise<void> {
  for (let wave = 0; !isEnough() && wave < 20; wave += 1) {
    const callers = Array.from({ length: 40 }, () => connect(port, host).on('error', () => {}));
    await Promise.all(callers.map((caller) => once(caller, 'close')));
  }
}

/** How many sockets listen at these ports, as the system says. */
function socketsAt(ports: readonly number[]): number {
  const listens = /^ *\d+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:0000 0A /gm;
  const found = readFileSync('/proc/net/tcp', 'latin1').matchAll(listens);
  return [...found].filter(([, port = '']) => ports.includes(Number.parseInt(port, 16))).length;
}

async function listening(
  port: number,
  onConnection: (socket: Socket) => void,
  at = host,
  reusePort = false,
): Promise<ConnectionListener> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const listener = new ConnectionListener({
    host: at,
    port,
    reusePort,
    onConnection,
    onListening: resolve,
    onError: reject,
    onNotAccepted: never,
  });
  await promise;
  return listener;
}

function mostAtOnce(turns: readonly number[]): number {
  return Math.max(
    0,
    ...Map.groupBy(turns, (turn) => turn)
      .values()
      .map(({ length }) => length),
  );
}
