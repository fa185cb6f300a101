import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  type ClientHttp2Session,
  type Settings,
  connect,
  constants,
  performServerHandshake,
} from 'node:http2';
import { test } from 'node:test';
import { Http2Caller } from './http2-caller.ts';
import { http2Preface } from './http2-preface.ts';
import { testDoor, testFacts } from './test-door.ts';
import { withPair } from './test-pair.ts';
import { UploadWindow } from './upload-window.ts';

const startBytes = 65_535;
const mebibyte = 1_048_576;
const emptySettings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);

async function told(session: ClientHttp2Session): Promise<number | undefined> {
  const [settings] = (await once(session, 'remoteSettings')) as [Settings];
  return settings.initialWindowSize;
}

function begin(uploads: UploadWindow, count: number): boolean[] {
  return Array.from({ length: count }, () => uploads.begin());
}

test('an upload that goes on may send more at once, and with many more each as much as at first', () =>
  withPair(async (server, caller) => {
    const uploads = new UploadWindow(performServerHandshake(server.resume()));
    const session = connect('http://localhost', { createConnection: () => caller });
    assert.equal(await told(session), startBytes);
    begin(uploads, 1);
    uploads.take(2 * startBytes);
    uploads.tick();
    assert.equal(await told(session), mebibyte);
    begin(uploads, 8);
    assert.equal(await told(session), startBytes);
    session.destroy();
  }));

test('uploads of which little comes, and many at once, are given no more', () =>
  withPair(async (server, caller) => {
    const own = performServerHandshake(server.resume());
    const uploads = new UploadWindow(own);
    const session = connect('http://localhost', { createConnection: () => caller });
    await once(own, 'localSettings');
    const [few, many] = [1, 4];
    for (const more of [few, many]) {
      begin(uploads, more);
      uploads.take(more === few ? 2 * startBytes - 1 : 2 * startBytes);
      uploads.tick();
      assert.equal(own.pendingSettingsAck, false);
    }
    session.destroy();
  }));

test('while a caller goes by the larger window no more uploads begin than 16 MiB could come of', () =>
  withPair((server, caller) => {
    const uploads = new UploadWindow(performServerHandshake(server));
    // It acknowledges nothing.
    caller.pause().write(Buffer.concat([http2Preface, emptySettings]));
    begin(uploads, 1);
    uploads.take(2 * startBytes);
    uploads.tick();
    assert.deepEqual(begin(uploads, 16), [...Array.from({ length: 15 }, () => true), false]);
    uploads.end();
    assert.deepEqual(begin(uploads, 2), [true, false]);
    return Promise.resolve();
  }));

test('an upload beyond what may come at once is refused as one that was not begun, and a request without a body is not', () =>
  withPair(async (server, caller) => {
    const connection = new Http2Caller(testDoor(), server.resume(), testFacts, 'id');
    const session = connect('http://localhost', { createConnection: () => caller });
    begin(connection.uploads, 1);
    connection.uploads.take(2 * startBytes);
    connection.tick(performance.now());
    begin(connection.uploads, 15);
    const upload = session.request({ ':method': 'POST', ':path': '/' });
    let answered = false;
    upload.on('response', () => (answered = true));
    await assert.rejects(once(upload, 'end'), { message: /NGHTTP2_REFUSED_STREAM/ });
    assert.deepEqual([answered, upload.rstCode], [false, constants.NGHTTP2_REFUSED_STREAM]);
    const [headers] = (await once(session.request({ ':path': '/' }).resume(), 'response')) as [object];
    assert.equal((headers as Record<string, unknown>)[':status'], 503);
    session.destroy();
  }));
