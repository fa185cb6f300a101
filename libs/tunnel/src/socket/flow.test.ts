import assert from 'node:assert/strict';
import { Socket, createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { EarlyDatagrams } from './early-datagrams.ts';
import { Endpoint } from '../endpoint/endpoint.ts';
import { resetCodeName } from '../error.ts';
import { Flow } from './flow.ts';
import { FlowListener, type FlowListenerParts } from './flow-listener.ts';
import { joinDatagrams } from './join-datagrams.ts';
import type { Joined } from './join-socket.ts';
import { memoryCarrierPair, type MemoryCarrier } from '../carrier/memory-carrier.ts';
import type { Session } from '../session/session.ts';
import type { StreamEnd } from '../stream/stream-end.ts';

async function udp(t: TestContext): Promise<Socket> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.after(() => socket.close());
  return socket;
}

/** A client that dials `port` for each stream, and a node with `sessions` tunnels to it. */
async function pair(t: TestContext, port: number, sessions = 1) {
  const near: MemoryCarrier[] = [];
  const taken: StreamEnd[] = [];
  const node = new Endpoint({ self: { id: 'node', bootId: 'boot-node' } });
  const client = new Endpoint({
    self: { id: 'client', bootId: 'boot-client' },
    onOpen: (stream) => {
      taken.push(stream);
      const socket = createSocket('udp4');
      const early = new EarlyDatagrams('g');
      stream.events = { onDatagram: (payload) => early.push(payload) };
      socket.connect(port, '127.0.0.1', () => {
        void joinDatagrams(stream, socket, early, `127.0.0.1:${port}`, () => {});
        stream.accept();
      });
    },
  });
  const up: Session[] = [];
  for (let n = 0; n < sessions; n += 1) {
    const [a, b] = memoryCarrierPair();
    near.push(a);
    const [session] = await Promise.all([
      node.accept(a, {
        hello: {},
        authenticate: async () => ({
          peer: { scope: 'g', id: 'client', bootId: 'boot-client' },
          welcome: {},
        }),
      }),
      client.connect(b, {
        answer: async () => ({}),
        welcome: () => ({ scope: 'g', id: 'node', bootId: 'boot-node', trusted: true }),
      }),
    ]);
    up.push(session);
  }
  t.after(() => {
    node.close();
    client.close();
  });
  return { node, near, sessions: up, taken };
}

/** Listens and opens a stream for each flow; `ended` has how flows ended. */
async function listen(
  t: TestContext,
  { node, sessions }: Awaited<ReturnType<typeof pair>>,
  change: Partial<FlowListenerParts> = {},
) {
  const ended: Joined[] = [];
  const full: number[] = [];
  const counts = { fromCallers: 0, toCallers: 0, dropped: 0 };
  const listening = Promise.withResolvers<void>();
  const probe = createSocket('udp4').bind(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  const listener = new FlowListener({
    host: '127.0.0.1',
    port,
    scope: 'g',
    flowsMax: 10,
    counts,
    onFlow: (flow) => {
      const opening = flow.open({
        onOpened: (stream) => void flow.join(stream).then((joined) => ended.push(joined)),
        onRefused: () => flow.reset(),
      });
      const session = sessions.find(({ closed }) => !closed);
      assert(session);
      opening.carry(node.open(session, {}));
    },
    onFull: (from) => full.push(from.port),
    onListening: () => listening.resolve(),
    onError: (error) => listening.reject(error),
    ...change,
  });
  t.after(() => listener.close());
  await listening.promise;
  return { listener, counts, port, ended, full };
}

async function ask(socket: Socket, port: number, text: string): Promise<string> {
  const answer = once(socket, 'message');
  socket.send(text, port, '127.0.0.1');
  const [payload] = (await answer) as [Buffer];
  return payload.toString();
}

async function echo(t: TestContext): Promise<number> {
  const socket = await udp(t);
  socket.on('message', (payload, from) => socket.send(payload, from.port, from.address));
  return socket.address().port;
}

test('flows: each caller has one of its own, and a datagram that came before the stream was taken arrives', async (t) => {
  const tunnel = await pair(t, await echo(t));
  const { listener, counts, port } = await listen(t, tunnel);
  const [one, other] = [await udp(t), await udp(t)];
  assert.deepEqual(await Promise.all([ask(one, port, 'a'), ask(other, port, 'b')]), ['a', 'b']);
  assert.equal(await ask(one, port, 'again'), 'again');
  assert.equal(listener.size, 2);
  assert.deepEqual(counts, { fromCallers: 3, toCallers: 3, dropped: 0 });
});

test('flows: beyond the bound a new caller is dropped and told of, and those that are there go on', async (t) => {
  const tunnel = await pair(t, await echo(t));
  const { counts, port, full } = await listen(t, tunnel, { flowsMax: 1 });
  const [one, other] = [await udp(t), await udp(t)];
  assert.equal(await ask(one, port, 'a'), 'a');
  other.send('b', port, '127.0.0.1');
  assert.equal(await ask(one, port, 'still'), 'still');
  while (full.length === 0) assert.equal(await ask(one, port, 'still'), 'still');
  assert.deepEqual(full, [other.address().port]);
  assert.equal(counts.dropped, 1);
});

test('flows: a datagram from port 0, which nothing can be sent to, is dropped', async (t) => {
  const tunnel = await pair(t, await echo(t));
  const bind = t.mock.method(Socket.prototype, 'bind');
  const { listener, counts } = await listen(t, tunnel);
  const socket = bind.mock.calls.at(-1)?.this as Socket;
  socket.emit('message', Buffer.from('x'), { address: '127.0.0.1', family: 'IPv4', port: 0, size: 1 });
  assert.equal(listener.size, 0);
  assert.deepEqual(counts, { fromCallers: 0, toCallers: 0, dropped: 1 });
});

test('flows: one over two tunnels goes on when its tunnel is cut', async (t) => {
  const tunnel = await pair(t, await echo(t), 2);
  const { listener, port } = await listen(t, tunnel);
  const caller = await udp(t);
  assert.equal(await ask(caller, port, 'before'), 'before');
  tunnel.near[0]?.destroy();
  caller.send('one that may be lost', port, '127.0.0.1');
  assert.match(await ask(caller, port, 'after'), /after|lost/);
  assert.equal(listener.size, 1);
});

test('flows: what finds no room is counted when it is dropped, while the flow goes on', async (t) => {
  const tunnel = await pair(t, await echo(t));
  const { listener, counts, port } = await listen(t, tunnel);
  const caller = await udp(t);
  assert.equal(await ask(caller, port, 'before'), 'before');
  tunnel.near[0]?.destroy();
  const large = Buffer.alloc(60_000);
  for (let sent = 0; counts.dropped === 0 && sent < 1_000; sent += 1) {
    caller.send(large, port, '127.0.0.1');
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
  assert.ok(counts.dropped > 0);
  assert.equal(listener.size, 1);
});

test('flows: what waited for a way that never came is counted when it is dropped', async (t) => {
  const counts = { fromCallers: 0, toCallers: 0, dropped: 0 };
  const flow = new Flow(await udp(t), { address: '127.0.0.1', port: 1 }, 'g', counts, () => {});
  for (const text of ['a', 'b']) flow.receive(Buffer.from(text));
  flow.reset();
  flow.receive(Buffer.from('c'));
  assert.deepEqual(counts, { fromCallers: 2, toCallers: 0, dropped: 3 });
});

test('flows: a resource that nobody listens on ends the flow with the cause', async (t) => {
  const gone = createSocket('udp4').bind(0, '127.0.0.1');
  await once(gone, 'listening');
  const { port: nobody } = gone.address();
  gone.close();
  await once(gone, 'close');
  const tunnel = await pair(t, nobody);
  const { listener, port, ended } = await listen(t, tunnel);
  const caller = await udp(t);
  while (ended.length === 0) {
    caller.send('anybody', port, '127.0.0.1');
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
  const [over] = ended;
  assert.equal(resetCodeName(over?.reset?.code ?? 0), 'Refused');
  assert.match(over?.reset?.text ?? '', /nobody listens there/);
  assert.ok(listener.size <= 1);
});

test('a stream of datagrams is reset where bytes come on it, or their end, before it was taken too', async (t) => {
  const tunnel = await pair(t, await echo(t));
  const [session] = tunnel.sessions;
  assert(session);
  for (const send of [
    (stream: StreamEnd) => stream.writeCopy(Buffer.from('bytes')),
    (stream: StreamEnd) => stream.end(),
  ]) {
    const early = tunnel.node.open(session, {});
    const reset = new Promise<string>((resolve) => {
      early.events = { onReset: (code) => resolve(resetCodeName(code)) };
    });
    send(early);
    assert.equal(await reset, 'Protocol');
    const { port, ended } = await listen(t, tunnel);
    const caller = await udp(t);
    assert.equal(await ask(caller, port, 'a'), 'a');
    const theirs = tunnel.taken.at(-1);
    assert(theirs);
    send(theirs);
    while (ended.length === 0) await new Promise(setImmediate);
    assert.equal(resetCodeName(ended[0]?.reset?.code ?? 0), 'Protocol');
  }
});
