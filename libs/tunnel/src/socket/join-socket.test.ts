/** Real sockets on the loopback address at both ends of a tunnel in memory: caller, front, tunnel, resource. */
import assert from 'node:assert/strict';
import { randomBytes, randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { TLSSocket, connect as connectTls } from 'node:tls';
import { Endpoint } from '../endpoint/endpoint.ts';
import { ResetCode } from '../error.ts';
import { describeReset, type Joined, joinSocket, resetSocket } from './join-socket.ts';
import { memoryCarrierPair } from '../carrier/memory-carrier.ts';
import { adoptSocket, connectSocket } from './socket-reader.ts';
import { Slab } from '../memory/slab.ts';
import { stage } from '../memory/staging.ts';
import type { StreamEnd } from '../stream/stream-end.ts';
import { makePair } from '../carrier/test-pair.ts';
import { isHeld } from '../memory/test-slab.ts';

interface Route {
  /** A caller's connection to the front, half-open as a good client's is. */
  call(): Promise<Socket>;
  /** How the joint at the front, and the one at the resource, of call number `i` ended. */
  ends: { front: Promise<Joined>; resource: Promise<Joined> }[];
  node: Endpoint;
  client: Endpoint;
}

/** Sockets that the tunnel reads itself, plain ones that are read by their events, or TLS to the resource. */
type Kind = 'own' | 'plain' | 'tls';

const pair = makePair();

async function listen(
  handle: (socket: Socket) => void,
  overTls = false,
): Promise<{ port: number; close(): void }> {
  const sockets = new Set<Socket>();
  const server = createServer({ pauseOnConnect: !overTls, allowHalfOpen: true }, (accepted) => {
    sockets.add(accepted);
    const socket = overTls ? new TLSSocket(accepted, { isServer: true, ...pair }) : accepted;
    socket.on('error', () => {});
    handle(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function dial(kind: Kind, port: number): Socket {
  const to = { port, host: '127.0.0.1', allowHalfOpen: true };
  switch (kind) {
    case 'own':
      return connectSocket(to);
    case 'plain':
      return connect(to).pause();
    case 'tls':
      return connectTls({ socket: connect(to), ca: pair.cert, servername: 'localhost' }).pause();
  }
}

/** TLS itself cannot be reset: what is under it can. */
function reset(socket: Socket): void {
  const { _parent: under } = socket as Socket & { _parent?: Socket };
  (under ?? socket).resetAndDestroy();
}

for (const kind of ['own', 'plain', 'tls'] as const) {
  test(`a socket (${kind}) that is reset in the turn in which it was ended is closed`, async (t) => {
    const server = await listen((socket) => socket.resume(), kind === 'tls');
    t.after(() => server.close());
    const socket = dial(kind, server.port);
    await once(socket, kind === 'tls' ? 'secureConnect' : 'connect');
    socket.end();
    resetSocket(socket);
    resetSocket(socket);
    await once(socket, 'close');
  });
}

/** What a window can grow to here: how fast it grows depends on how busy the machine is. */
const limits = { windowBytesMax: 1024 * 1024 };

async function route(t: TestContext, serve: (socket: Socket) => void, kind: Kind): Promise<Route> {
  const resource = await listen(serve, kind === 'tls');
  const ends: Route['ends'] = [];
  const atResource: PromiseWithResolvers<Joined>[] = [];
  const node = new Endpoint({ self: { id: 'node', bootId: 'n' }, limits });
  let taken = 0;
  const client = new Endpoint({
    self: { id: 'client', bootId: 'c' },
    limits,
    onOpen: (stream) => {
      const socket = dial(kind, resource.port);
      const i = taken++;
      socket.once(kind === 'tls' ? 'secureConnect' : 'connect', () => {
        atResource[i]?.resolve(joinSocket(stream, socket));
        stream.accept();
      });
    },
  });
  const [left, right] = memoryCarrierPair();
  const [session] = await Promise.all([
    node.accept(left, {
      hello: {},
      authenticate: () => Promise.resolve({ peer: { scope: 'g', ...client.self }, welcome: {} }),
    }),
    client.connect(right, {
      answer: () => Promise.resolve({}),
      welcome: () => ({ scope: 'g', ...node.self, trusted: true }),
    }),
  ]);
  const front = await listen((accepted) => {
    const settled = Promise.withResolvers<Joined>();
    atResource.push(settled);
    const stream = node.open(session, {});
    if (kind !== 'plain') adoptSocket(accepted);
    ends.push({ front: joinSocket(stream, accepted), resource: settled.promise });
  });
  t.after(() => {
    front.close();
    resource.close();
    node.close();
    client.close();
  });
  return {
    ends,
    node,
    client,
    call: async () => {
      const socket = connect({ port: front.port, host: '127.0.0.1', allowHalfOpen: true });
      await once(socket, 'connect');
      return socket;
    },
  };
}

async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk)).resume();
  await once(socket, 'end');
  return Buffer.concat(chunks);
}

function nothing(): void {}

const kinds = {
  own: 'sockets that the tunnel reads itself',
  plain: 'plain sockets',
  tls: 'TLS to the resource',
} as const;

for (const [name, what] of Object.entries(kinds)) {
  const kind = name as Kind;

  test(`${what}: the caller ends first and is answered afterwards`, async (t) => {
    const bytes = randomBytes(700_000);
    const world = await route(
      t,
      (socket) => {
        void readAll(socket).then((all) => socket.end(Buffer.concat([all, Buffer.from('!')])));
      },
      kind,
    );
    const caller = await world.call();
    caller.end(bytes);
    const answer = await readAll(caller);
    assert.ok(answer.equals(Buffer.concat([bytes, Buffer.from('!')])));
    const [first] = world.ends;
    assert.deepEqual(await first?.front, { received: 700_000, sent: 700_001, reset: null });
    assert.deepEqual(await first?.resource, { received: 700_001, sent: 700_000, reset: null });
    assert.equal(world.node.streams.size + world.client.streams.size, 0);
  });

  test(`${what}: the resource ends first and goes on reading`, async (t) => {
    const got = Promise.withResolvers<Buffer>();
    const world = await route(
      t,
      (socket) => {
        socket.end('greeting');
        void readAll(socket).then(got.resolve);
      },
      kind,
    );
    const caller = await world.call();
    assert.equal((await readAll(caller)).toString(), 'greeting');
    const bytes = randomBytes(300_000);
    caller.end(bytes);
    assert.ok((await got.promise).equals(bytes));
    assert.equal((await world.ends[0]?.front)?.reset, null);
  });

  test(`${what}: a caller that resets resets the resource’s socket`, async (t) => {
    const broke = Promise.withResolvers<string>();
    const arrived = Promise.withResolvers<void>();
    const world = await route(
      t,
      (socket) => {
        socket.on('error', (error: NodeJS.ErrnoException) => broke.resolve(error.code ?? ''));
        socket.once('data', () => arrived.resolve());
        socket.resume();
      },
      kind,
    );
    const caller = await world.call();
    caller.write('x');
    await arrived.promise;
    caller.resetAndDestroy();
    assert.equal(await broke.promise, 'ECONNRESET');
    const front = await world.ends[0]?.front;
    assert.deepEqual([front?.reset?.code, front?.reset?.origin], [ResetCode.Cancelled, 'here']);
    const atResource = await world.ends[0]?.resource;
    assert.deepEqual([atResource?.reset?.code, atResource?.reset?.origin], [ResetCode.Cancelled, 'peer']);
    assert.match(describeReset(atResource?.reset as never), /^Cancelled by the other end: .*ECONNRESET/);
  });

  test(`${what}: a resource that resets resets the caller’s socket`, async (t) => {
    const world = await route(
      t,
      (socket) => {
        socket.once('data', () => reset(socket));
        socket.resume();
      },
      kind,
    );
    const caller = await world.call();
    const broke = once(caller, 'error');
    caller.write('x');
    const [error] = (await broke) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'ECONNRESET');
    assert.equal((await world.ends[0]?.front)?.reset?.origin, 'peer');
  });

  test(`${what}: a resource that never reads stalls its own caller alone`, async (t) => {
    let calls = 0;
    const world = await route(
      t,
      (socket) => {
        calls += 1;
        if (calls === 1) return;
        void readAll(socket).then((all) => socket.end(all));
      },
      kind,
    );
    const stalled = await world.call();
    stalled.on('error', nothing);
    const chunk = Buffer.alloc(1_000_000);
    let flowing = true;
    for (let i = 0; i < 64 && flowing; i += 1) flowing = stalled.write(chunk);
    for (let i = 0; i < 63; i += 1) stalled.write(chunk);
    const bytes = randomBytes(2_000_000);
    for (let i = 0; i < 3; i += 1) {
      const other = await world.call();
      other.end(bytes);
      assert.ok((await readAll(other)).equals(bytes));
    }
    const { memory } = world.node;
    assert.ok(memory.sendReserved < 8_000_000, `${memory.sendReserved} bytes are kept`);
    assert.ok(world.client.memory.receiveReserved < 8_000_000);
    stalled.destroy();
  });
}

test('a socket that was destroyed before it was joined resets the stream', async (t) => {
  const world = await route(t, nothing, 'own');
  const [session] = world.node.sessions;
  const socket = connect({ port: 1, host: '127.0.0.1' });
  socket.on('error', nothing).destroy();
  assert.ok(session !== undefined);
  const joined = await joinSocket(world.node.open(session, {}), socket);
  assert.equal(joined.reset?.code, ResetCode.Cancelled);
});

test('of a socket no more is read than its stream has memory for', async (t) => {
  const server = await listen((socket) => socket.end(Buffer.alloc(1024 * 1024)));
  t.after(() => server.close());
  const socket = connectSocket({ port: server.port, host: '127.0.0.1' });
  const full = Promise.withResolvers<void>();
  let freeBytes = 24_576;
  const take = ({ length }: Uint8Array): void => {
    freeBytes -= length;
    if (freeBytes <= 0) full.resolve();
  };
  const stream = { ...stubStream(), write: take, writeCopy: take };
  // The other end takes more.
  Object.defineProperties(stream, { room: { get: () => freeBytes }, freeBytes: { get: () => freeBytes } });
  void joinSocket(stream, socket);
  await full.promise;
  await setImmediate();
  assert.ok(freeBytes > -4_096, `${-freeBytes} bytes too much`);
  socket.destroy();
});

/** A stream that is only what a joint needs of it. */
function stubStream(): StreamEnd & { delivered: number } {
  return {
    metadata: {},
    scope: 'g',
    peer: { id: 'p', bootId: 'b' },
    events: {},
    phase: 'open',
    pathLostAt: null,
    quiet: false,
    room: 1,
    freeBytes: 1,
    bytesReceived: 0,
    bytesSent: 0,
    delivered: 0,
    accept: nothing,
    write: nothing,
    writeCopy: nothing,
    end: nothing,
    reset: nothing,
    deliver(bytes: number) {
      this.delivered += bytes;
    },
    deliverEnd: nothing,
    sendDatagram: () => 0,
  };
}

/** Once nobody holds memory, others read into it. */
function overwriteFree(): void {
  const slab = Slab.take();
  for (let region = slab.region(); region !== null; region = slab.region()) {
    region.fill(0xff);
    slab.fill(region.length);
    slab.release();
  }
  slab.release();
  const { bytes, giveBack } = stage([Buffer.alloc(500, 0xff)], 500);
  bytes.fill(0xff);
  giveBack();
}

test('a short piece counts as delivered when the system has taken it, and never when the socket is gone', async (t) => {
  const accepted = Promise.withResolvers<Socket>();
  const resource = await listen(accepted.resolve);
  t.after(() => resource.close());
  const socket = dial('own', resource.port);
  await once(socket, 'connect');
  const stream = stubStream();
  void joinSocket(stream, socket);
  stream.events.onData?.(Buffer.from('taken'));
  assert.equal(stream.delivered, 5);
  await setImmediate();
  socket.cork();
  stream.events.onData?.(Buffer.from(', waits'));
  await setImmediate();
  assert.equal(stream.delivered, 5);
  socket.uncork();
  await setImmediate();
  assert.equal(stream.delivered, 12);
  const read = readAll(await accepted.promise);
  socket.destroy();
  stream.events.onData?.(Buffer.from('lost'));
  await setImmediate();
  assert.equal(stream.delivered, 12);
  assert.equal((await read).toString(), 'taken, waits');
});

for (const kind of ['own', 'tls'] as const) {
  test(`${kinds[kind]}: behind a slow reader no slabs wait, and what waits comes as it was`, async (t) => {
    const accepted = Promise.withResolvers<Socket>();
    const resource = await listen(accepted.resolve, kind === 'tls');
    t.after(() => resource.close());
    const socket = dial(kind, resource.port);
    t.after(() => socket.destroy());
    await once(socket, kind === 'tls' ? 'secureConnect' : 'connect');
    const stream = stubStream();
    void joinSocket(stream, socket);
    const slabs = Array.from({ length: 70 }, () => Slab.take());
    const expected: Buffer[] = [];
    for (const slab of slabs) {
      // Each turn brings four pieces, of which the first is often a short one that is written at once.
      for (const bytes of [expected.length % 3 === 0 ? 500 : 20_000, 60_000, 60_000, 60_000]) {
        const piece = slab.fill(bytes);
        randomFillSync(piece);
        expected.push(Buffer.from(piece));
        stream.events.onSlabData?.(piece, slab);
        slab.release();
      }
      slab.release();
      await setImmediate();
      overwriteFree();
    }
    assert.ok(socket.writableLength > 0, 'the reader is slow');
    const held = slabs.filter(isHeld).length;
    assert.ok(held <= 1, `${held} slabs wait for a slow reader`);
    stream.events.onEnd?.();
    const whole = Buffer.concat(expected);
    assert.ok((await readAll(await accepted.promise)).equals(whole));
    assert.equal(stream.delivered, whole.length);
    assert.equal(slabs.filter(isHeld).length, 0);
  });
}
