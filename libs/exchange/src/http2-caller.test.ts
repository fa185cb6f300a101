import assert from 'node:assert/strict';
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
    const errand = {
      answerSeconds: 5,
      names: { resource: 'a', resourceScheme: 'http', front: 'b', frontScheme: 'http' },
      whyNot: () => null,
      nextWay: () => ({ peerId: 'client', open: () => stream }),
      onStart: () => {},
      onOpened: () => {},
      onOver: () => {},
    };
    const door: HttpDoor = { ...testDoor(), errand: () => errand as unknown as HttpErrand };
    const connection = new Http2Caller(door, server, testFacts, 'id');
    const settings = { initialWindowSize: 0 };
    const session = connect('http://localhost', { createConnection: () => caller, settings });
    const asked = session.request({ ':path': '/' });
    while (stream.events.onData === undefined) await setImmediate();
    stream.events.onData(Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'));
    await once(asked, 'response');
    const before = collectedHeap();
    stream.events.onData(Buffer.from('1\r\nx\r\n'.repeat(200_000)));
    const waiting = collectedHeap() - before;
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
    const errand = {
      answerSeconds: 5,
      names: { resource: 'a', resourceScheme: 'http', front: 'b', frontScheme: 'http' },
      whyNot: () => null,
      nextWay: () => ({ peerId: 'client', open: () => stream }),
      onStart: () => {},
      onOpened: () => {},
      onOver: () => {},
    };
    const door: HttpDoor = { ...testDoor(), errand: () => errand as unknown as HttpErrand };
    const connection = new Http2Caller(door, server, testFacts, 'id');
    const emptySettings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    // POST and http by the static table of HPACK, then path and authority.
    const head = Buffer.from('\x83\x86\x84\x41\x01b', 'latin1');
    const request = Buffer.from([0, 0, head.length, 1, 4, 0, 0, 0, 1, ...head]);
    const byte = Buffer.from([0, 0, 1, 0, 0, 0, 0, 0, 1, 97]);
    const uploads = Array<Buffer>(60_000).fill(byte);
    caller.write(Buffer.concat([http2Preface, emptySettings, request, ...uploads]));
    while (taken < uploads.length) {
      await setImmediate();
      inTurn = 0;
    }
    assert.ok(most < 10_000, `${most} in one turn`);
    assert.equal(connection.busy, true);
  }));

const noop = (): void => {};
const nothing = { bytesSent: 0, bytesReceived: 0, writeCopy: noop, deliver: noop, end: noop, reset: noop };

function collectedHeap(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}
