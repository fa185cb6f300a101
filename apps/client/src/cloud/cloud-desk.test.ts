import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { CloudDestination } from '@postern/contracts';
import { FileReserve, silentLogger } from '@postern/telemetry';
import { freePort } from '@postern/test-kit';
import { Compression, type Session, type Stream } from '@postern/tunnel';
import { AccessGuard } from '../resource/access-guard.ts';
import { CloudDesk, type CloudDeskParts } from './cloud-desk.ts';

interface Status {
  readonly refused: number;
  readonly callers: number;
  readonly destinations: readonly {
    listening: boolean;
    lastRefusal: { code: string; text: string } | null;
  }[];
}

function deskFor(
  t: TestContext,
  files = new FileReserve(() => null),
  callersMax = 10,
  node: Partial<CloudDeskParts> = {},
): CloudDesk {
  const desk = new CloudDesk({
    listenHost: '127.0.0.1',
    gatewayId: 'g',
    callersMax,
    guard: new AccessGuard(),
    compression: new Compression(),
    files,
    http: {
      head: { headBytesMax: 16_384, fieldsMax: 64 },
      headTimeoutMs: 10_000,
      bodyTimeoutMs: 10_000,
      answerTimeoutMs: 10_000,
      keepAliveMs: 10_000,
      requestsPerConnectionMax: 10,
      resourceKeepAliveMs: 10_000,
      resourceKeptMax: 10,
    },
    material: () => assert.fail('nobody comes as far as a handshake'),
    logger: silentLogger,
    tracing: () => null,
    sessions: () => [],
    open: () => assert.fail('nothing is opened'),
    ...node,
  });
  t.after(() => desk.close());
  return desk;
}

async function reached(desk: CloudDesk, done: (now: Status) => boolean): Promise<Status> {
  const status = (): Status => desk.status() as Status;
  while (!done(status())) await nextTurn();
  return status();
}

async function shop(): Promise<CloudDestination> {
  return {
    id: 'c1',
    name: 'shop',
    protocol: 'http',
    clientPort: await freePort(),
    host: '10.0.0.5',
    port: 80,
    idleTimeoutSeconds: 0,
  };
}

async function names(id: string): Promise<CloudDestination> {
  const clientPort = await freePort();
  return { id, name: id, protocol: 'udp', clientPort, host: '10.0.0.5', port: 53, idleTimeoutSeconds: 0 };
}

/** A tunnel to a node that answers no stream. */
function silentNode(): Partial<CloudDeskParts> {
  const guard = new AccessGuard();
  guard.setGatewayList(1, { revision: 1, rules: [{ action: 'allow', host: '*', port: '*' }] });
  const peer = { id: 'n', bootId: 'b', scope: 'g', features: new Set(['udp']) };
  const session = { usable: true, streamCount: 0, peer, sendControl: () => {} } as unknown as Session;
  const open = (): Stream => {
    const stream = { peer, pathLostAt: null, bytesSent: 0, sendDatagram: () => 0 } as unknown as Stream;
    stream.reset = (code, text) => stream.events.onReset?.(code, text, 'here');
    return stream;
  };
  return { guard, sessions: () => [session], open };
}

/** Sends a datagram from a port of its own to each destination. */
async function flowsTo(t: TestContext, ...destinations: CloudDestination[]): Promise<void> {
  for (const { clientPort } of destinations) {
    const socket = createSocket('udp4');
    t.after(() => socket.close());
    await new Promise((sent) => socket.send('hello', clientPort, '127.0.0.1', sent));
  }
}

/** A caller that has connected before any of it changes. */
async function callerOf(desk: CloudDesk, { clientPort }: CloudDestination, t: TestContext): Promise<Socket> {
  await reached(desk, ({ destinations }) => destinations[0]?.listening === true);
  const caller = connect(clientPort, '127.0.0.1');
  t.after(() => caller.destroy());
  await reached(desk, ({ callers }) => callers === 1);
  return caller;
}

const node = { usable: false } as Session;

test('of callers that are turned away after their destination has gone nothing is kept', async (t) => {
  const desk = deskFor(t);
  const destination = await shop();
  desk.take(node, { revision: 1, destinations: [destination] });
  const caller = await callerOf(desk, destination, t);
  desk.take(node, { revision: 2, destinations: [] });
  caller.resume().write('GET / HTTP/1.1\r\nhost: shop\r\n\r\n');
  await reached(desk, ({ refused }) => refused === 1);
  desk.take(node, { revision: 3, destinations: [destination] });
  const { destinations } = await reached(desk, () => true);
  assert.deepEqual(
    destinations.map(({ lastRefusal }) => lastRefusal),
    [null],
  );
});

test('a connection from before the listener asked for client certificates takes no more requests', async (t) => {
  const desk = deskFor(t);
  const destination = await shop();
  desk.take(node, { revision: 1, destinations: [destination] });
  const caller = await callerOf(desk, destination, t);
  desk.take(node, {
    revision: 2,
    destinations: [{ ...destination, tls: { certificateId: 'pair', clientCaIds: ['ca'] } }],
  });
  caller.write('GET / HTTP/1.1\r\nhost: shop\r\n\r\n');
  const [answer] = (await once(caller, 'data')) as [Buffer];
  assert.match(String(answer), /^HTTP\/1\.1 421 /);
  const { destinations } = await reached(desk, () => true);
  assert.equal(destinations[0]?.lastRefusal?.code, 'CLIENT_HTTP_MISDIRECTED');
});

test('turns callers away while few file descriptors are left', async (t) => {
  const desk = deskFor(t, new FileReserve(() => ({ open: 15, max: 16 })));
  const destination = await shop();
  desk.take(node, { revision: 1, destinations: [destination] });
  await reached(desk, ({ destinations }) => destinations[0]?.listening === true);
  const caller = connect(destination.clientPort, '127.0.0.1');
  t.after(() => caller.destroy());
  const [error] = (await once(caller, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNRESET');
  const { destinations } = await reached(desk, ({ refused }) => refused === 1);
  const { code, text } = destinations[0]?.lastRefusal ?? {};
  assert.deepEqual([code, text], ['CLIENT_CALLERS_FULL', 'the client has few file descriptors left']);
});

test('turns away the caller that is one too many, and keeps the others', async (t) => {
  const desk = deskFor(t, undefined, 1);
  const destination = await shop();
  desk.take(node, { revision: 1, destinations: [destination] });
  const first = await callerOf(desk, destination, t);
  const second = connect(destination.clientPort, '127.0.0.1');
  t.after(() => second.destroy());
  const [error] = (await once(second, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNRESET');
  const { destinations, callers } = await reached(desk, ({ refused }) => refused === 1);
  const { code, text } = destinations[0]?.lastRefusal ?? {};
  assert.deepEqual([code, text], ['CLIENT_CALLERS_FULL', 'the client has 1 callers already']);
  assert.deepEqual([callers, first.destroyed], [1, false]);
});

test('UDP callers, whose addresses anybody can forge, have half of the places together', async (t) => {
  const desk = deskFor(t, undefined, 4, silentNode());
  const [one, two, web] = [await names('one'), await names('two'), await shop()];
  desk.take(node, { revision: 1, destinations: [one, two, web] });
  await reached(desk, ({ destinations }) => destinations.every(({ listening }) => listening));
  await flowsTo(t, one, two);
  await reached(desk, ({ callers }) => callers === 2);
  await flowsTo(t, two);
  const { destinations } = await reached(desk, ({ refused }) => refused === 1);
  const { code, text } = destinations[1]?.lastRefusal ?? {};
  assert.deepEqual([code, text], ['CLIENT_CALLERS_FULL', 'the client has 2 UDP callers already']);
  for (const callers of [3, 4]) {
    const caller = connect(web.clientPort, '127.0.0.1');
    t.after(() => caller.destroy());
    await reached(desk, (now) => now.callers === callers);
  }
});

test('a UDP caller wants no file descriptor', async (t) => {
  const desk = deskFor(t, new FileReserve(() => ({ open: 15, max: 16 })), 4, silentNode());
  const destination = await names('one');
  desk.take(node, { revision: 1, destinations: [destination] });
  await reached(desk, ({ destinations }) => destinations[0]?.listening === true);
  await flowsTo(t, destination);
  const { refused } = await reached(desk, (now) => now.callers + now.refused === 1);
  assert.equal(refused, 0);
});

test('listens for nothing more once it was told to stop', async (t) => {
  const desk = deskFor(t);
  const destination = await shop();
  desk.stopListening();
  desk.take(node, { revision: 1, destinations: [destination] });
  assert.deepEqual((desk.status() as Status).destinations, []);
});
