import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, constants } from 'node:http2';
import { test } from 'node:test';
import { lingerMsMax } from './bounds.ts';
import type { HttpConnection } from './door.ts';
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
