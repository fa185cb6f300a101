import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, constants } from 'node:http2';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { StreamEvents } from '@postern/tunnel';
import { lingerMsMax } from './bounds.ts';
import type { HttpConnection, HttpDoor } from './door.ts';
import type { HttpErrand } from './errand.ts';
import { Http2Caller } from './http2-caller.ts';
import { http2Preface } from './http2-preface.ts';
import { testBounds, testDoor, testFacts } from './test-door.ts';
import { withTlsPair } from './test-tls-pair.ts';

const emptySettings = frame(4, 0, 0, Buffer.alloc(0));
/** POST and http by the static table of HPACK, then path and authority. */
const head = Buffer.from('\x83\x86\x84\x41\x01b', 'latin1');
const uploadBegins = [http2Preface, emptySettings, frame(1, 4, 1, head)];
const byteOfUpload = frame(0, 0, 1, Buffer.from('a'));
/** Of a type that nobody knows. */
const ignored = frame(0xfa, 0, 0, Buffer.alloc(16_000));

test('an HTTP/2 stream whose answer is written and not taken is ended, and none before its time', () =>
  withTlsPair(async (server, caller) => {
    const connection = new Http2Caller(testDoor(), server, testFacts, 'id');
    const session = connect('http://localhost', {
      createConnection: () => caller,
      settings: { initialWindowSize: 0 },
    });
    const stream = session.request({ ':path': '/' });
    stream.on('error', () => {});
    await once(stream, 'response');
    const begun = performance.now();
    connection.tick(begun);
    connection.tick(begun + testBounds.bodyTimeoutMs);
    assert.equal(connection.busy, true);
    connection.tick(begun + testBounds.bodyTimeoutMs * 10);
    await once(stream, 'close');
    assert.equal(stream.rstCode, constants.NGHTTP2_CANCEL);
    session.destroy();
  }));

test('an HTTP/2 caller that is told to go and does not end its side is cut', () =>
  withTlsPair(async (server, caller) => {
    const closed = Promise.withResolvers<HttpConnection>();
    const connection = new Http2Caller(testDoor(closed.resolve), server, testFacts, 'id');
    const emptySettings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    // It reads nothing of what it is told.
    caller.pause().write(Buffer.concat([http2Preface, emptySettings]));
    connection.drain();
    const told = performance.now();
    await once(server, 'finish');
    connection.tick(told + lingerMsMax - 1_000);
    assert.equal(server.destroyed, false);
    connection.tick(told + lingerMsMax);
    assert.equal(await closed.promise, connection);
  }));

test('an answer that comes in chunks of one byte and is not taken waits as bytes, not as chunks', () =>
  withTlsPair(async (server, caller) => {
    const stream = { phase: 'open', room: 1, events: {} as StreamEvents, ...nothing };
    const connection = new Http2Caller(doorTo(stream), server, testFacts, 'id');
    const settings = { initialWindowSize: 0 };
    const session = connect('http://localhost', { createConnection: () => caller, settings });
    const asked = session.request({ ':path': '/' });
    while (stream.events.onData === undefined) await setImmediate();
    stream.events.onData(Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'));
    await once(asked, 'response');
    const before = collectedBytes();
    stream.events.onData(Buffer.from('1\r\nx\r\n'.repeat(200_000)));
    const waiting = collectedBytes() - before;
    assert.ok(waiting < 10_000_000, `${waiting} bytes`);
    assert.equal(connection.busy, true);
    session.destroy();
  }));

test('an upload in frames of one byte is taken in turns', () =>
  withTlsPair(async (server, caller) => {
    let [taken, inTurn, most] = [0, 0, 0];
    const writeCopy = (piece: Buffer): void => {
      if (piece.length !== 1) return;
      taken += 1;
      inTurn += 1;
      most = Math.max(most, inTurn);
    };
    const stream = { phase: 'open', room: 1, events: {} as StreamEvents, ...nothing, writeCopy };
    const connection = new Http2Caller(doorTo(stream), server, testFacts, 'id');
    const uploads = Array<Buffer>(60_000).fill(byteOfUpload);
    caller.write(Buffer.concat([...uploadBegins, ...uploads]));
    while (taken < uploads.length) {
      await setImmediate();
      inTurn = 0;
    }
    assert.ok(most < 10_000, `${most} in one turn`);
    assert.equal(connection.busy, true);
  }));

const waiting: [what: string, frames: Buffer[]][] = [
  ['what waits of an upload in frames of one byte are bytes, not frames', [byteOfUpload]],
  ['what waits of an upload holds nothing of what came with it', [byteOfUpload, ignored]],
];
for (const [what, frames] of waiting) {
  test(what, () =>
    withTlsPair(async (server, caller) => {
      const stream = { phase: 'open', room: 0, events: {} as StreamEvents, ...nothing };
      const connection = new Http2Caller(doorTo(stream), server, testFacts, 'id');
      caller.write(Buffer.concat(uploadBegins));
      while (!connection.busy) await setImmediate();
      const times = frames.length > 1 ? 1_000 : 60_000;
      const sent = Buffer.concat(Array.from({ length: times }, () => frames).flat());
      const before = collectedBytes();
      const read = server.bytesRead;
      caller.write(sent);
      while (server.bytesRead < read + sent.length) await setImmediate();
      const waits = collectedBytes() - before;
      assert.ok(waits < 4_000_000, `${waits} bytes`);
      assert.equal(connection.busy, true);
    }),
  );
}

test('an upload that has to wait again and again is sent on whole', () =>
  withTlsPair(async (server, caller) => {
    const body = randomBytes(3_000_000);
    const taken: Buffer[] = [];
    const stream = { phase: 'open', room: 1, events: {} as StreamEvents, ...nothing, writeCopy };
    function writeCopy(piece: Buffer): void {
      taken.push(Buffer.from(piece));
      if (stream.room > 0) void setImmediate().then(makeRoom);
      stream.room = 0;
    }
    function makeRoom(): void {
      stream.room = 1;
      stream.events.onRoom?.();
    }
    const connection = new Http2Caller(doorTo(stream), server, testFacts, 'id');
    const session = connect('http://localhost', { createConnection: () => caller });
    const asked = session.request({ ':method': 'PUT', ':path': '/', 'content-length': body.length });
    for (let at = 0; at < body.length; at += 1_000) asked.write(body.subarray(at, at + 1_000));
    asked.end();
    // The first is the request's head.
    const sentOn = (): Buffer => Buffer.concat(taken.slice(1));
    while (sentOn().length < body.length) await setImmediate();
    assert.ok(sentOn().equals(body));
    assert.equal(connection.busy, true);
    session.destroy();
  }));

const noop = (): void => {};
const nothing = { bytesSent: 0, bytesReceived: 0, writeCopy: noop, deliver: noop, end: noop, reset: noop };

function frame(type: number, flags: number, streamId: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, payload]);
}

/** A door whose requests go over this stream. */
function doorTo(stream: object): HttpDoor {
  const errand = {
    answerSeconds: 5,
    names: { resource: 'a', resourceScheme: 'http', front: 'b', frontScheme: 'http' },
    whyNot: () => null,
    nextWay: () => ({ peerId: 'client', open: () => stream }),
    onStart: () => {},
    onOpened: () => {},
    onOver: () => {},
  };
  return { ...testDoor(), errand: () => errand as unknown as HttpErrand };
}

function collectedBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  // Buffers are let go by a thread of V8's behind it, and the next collection waits for that.
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
