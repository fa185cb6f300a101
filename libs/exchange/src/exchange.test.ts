import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ResetCode, type StreamEvents } from '@postern/tunnel';
import type { Cause } from './cause.ts';
import type { HttpErrand } from './errand.ts';
import { Exchange } from './exchange.ts';
import type { AnswerSink, HttpRequest } from './request.ts';
import { testBounds, testDoor, testFacts } from './test-door.ts';

/** A request whose stream was not taken yet. */
function opening() {
  let ways = 0;
  const stream = {
    phase: 'opening',
    room: 1,
    bytesSent: 0,
    bytesReceived: 0,
    events: {} as StreamEvents,
    delivered: 0,
    resets: 0,
    writeCopy: (_bytes: Uint8Array): void => {},
    deliver: (bytes: number) => void (stream.delivered += bytes),
    reset: () => void (stream.resets += 1),
  };
  const sink = {
    unsent: 1_000,
    takesMore: false,
    aborts: 0,
    sendHead: () => {},
    sendBody: () => {},
    flushSoon: () => sink.takesMore,
    abort: () => void (sink.aborts += 1),
    onOver: () => {},
  };
  const causes: (Cause | null)[] = [];
  const errand = {
    destinationId: 'destination',
    resourceKey: 'resource',
    names: { resource: 'a', resourceScheme: 'http', front: 'b', frontScheme: 'http' },
    port: 80,
    answerSeconds: 5,
    idleTimeoutSeconds: 0,
    whyNot: () => null,
    nextWay: () => {
      ways += 1;
      return { peerId: 'client', open: () => stream, onRefused: () => {} };
    },
    onStart: () => {},
    onOpened: () => {},
    onOver: (cause: Cause | null) => void causes.push(cause),
  };
  const request: HttpRequest = {
    trackingId: 'id',
    method: 'GET',
    path: '/',
    query: '',
    destination: null,
    fields: [],
    framing: { kind: 'chunked' },
    version: '1.1',
    upgrade: null,
    caller: { address: '127.0.0.1', scheme: 'http', authority: 'b', trusted: false, certificate: null },
    address: testFacts.caller,
    connection: testFacts,
  };
  const exchange = new Exchange(
    testDoor().parts,
    errand as unknown as HttpErrand,
    request,
    sink as unknown as AnswerSink,
  );
  exchange.start();
  return { exchange, stream, sink, causes, ways: () => ways };
}

/** One whose resource has begun to answer, and whose caller takes no more of it. */
function untaken() {
  const { exchange, stream, sink, causes } = opening();
  exchange.endRequest([]);
  stream.phase = 'open';
  stream.events.onOpened?.();
  stream.events.onData?.(Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nbegun'));
  return { exchange, stream, sink, causes };
}

const { bodyTimeoutMs } = testBounds;

test('an answer of which the caller takes nothing is ended, and with it the connection to the resource', () => {
  const { exchange, stream, sink, causes } = untaken();
  // Whole, as sums of fractions are not: a sum less its part may be less than the rest.
  const begun = Math.ceil(performance.now());
  exchange.tick(begun);
  exchange.tick(begun + bodyTimeoutMs);
  assert.deepEqual([sink.aborts, stream.resets], [0, 0]);
  exchange.tick(begun + bodyTimeoutMs + sink.unsent);
  assert.deepEqual([sink.aborts, stream.resets], [1, 1]);
  assert.deepEqual(
    causes.map((cause) => cause?.code),
    ['answer not taken'],
  );
});

test('an answer of which the caller takes a byte now and then goes on', () => {
  const { exchange, sink } = untaken();
  const begun = performance.now();
  for (let times = 0; times < 100; times += 1) {
    exchange.tick(begun + times * bodyTimeoutMs);
    sink.unsent -= 1;
  }
  assert.equal(sink.aborts, 0);
});

test('an answer for which the resource takes its time is not the caller’s fault', () => {
  const { exchange, sink, stream } = untaken();
  const begun = performance.now();
  exchange.tick(begun);
  exchange.readOn();
  assert.ok(stream.delivered > 0);
  exchange.tick(begun + 100 * bodyTimeoutMs);
  sink.takesMore = true;
  stream.events.onData?.(Buffer.from('more'));
  exchange.tick(begun + 200 * bodyTimeoutMs);
  assert.equal(sink.aborts, 0);
});

test('a request that comes in chunks of one byte has them kept as few pieces for the next way', () => {
  const { exchange, stream, ways } = opening();
  for (let index = 0; index < 5_000; index += 1) exchange.sendBody(Buffer.of(97));
  const chunks: string[] = [];
  stream.writeCopy = (bytes: Uint8Array) => void chunks.push(Buffer.from(bytes).toString('latin1'));
  stream.events.onReset?.(ResetCode.Unreachable, 'nothing was reached', 'peer');
  assert.equal(ways(), 2);
  const body = chunks.slice(1);
  assert.ok(body.length <= 3 * 65, `${body.length} writes`);
  assert.equal(body.join('').replace(/[0-9a-f]+\r\n(a+)\r\n/g, '$1'), 'a'.repeat(5_000));
});
