import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ResetCode, type StreamEvents } from '@postern/tunnel';
import type { ConnectionFailure, ConnectionUser } from './resource-connection.ts';
import { ResourceConnection } from './resource-connection.ts';

test('a head is sent whole, however long it is', () => {
  const sent: Buffer[] = [];
  const stream = { phase: 'open', writeCopy: (bytes: Buffer) => void sent.push(Buffer.from(bytes)) };
  const limits = { headBytesMax: 1_000, fieldsMax: 10 };
  const connection = new ResourceConnection(stream as never, 'client', 'resource', limits, () => {});
  for (const length of [1, 128 * 1024, 128 * 1024 + 1, 1_000_000]) {
    sent.length = 0;
    const text = `GET / HTTP/1.1\r\nX: ${'\xe9'.repeat(length)}\r\n\r\n`;
    connection.begin({} as ConnectionUser, 'GET', { kind: 'none' }, text);
    assert.ok(Buffer.concat(sent).equals(Buffer.from(text, 'latin1')), `${length}`);
  }
});

test('heads with 1xx are no longer together than one head may be', () => {
  const stream = {
    phase: 'open',
    events: {} as StreamEvents,
    writeCopy: () => {},
    deliver: () => {},
    reset: () => {},
  };
  const limits = { headBytesMax: 1_000, fieldsMax: 10 };
  const connection = new ResourceConnection(stream as never, 'client', 'resource', limits, () => {});
  let told = 0;
  const failures: ConnectionFailure[] = [];
  const user = {
    onInformation: () => (told += 1),
    onFailed: (failure: ConnectionFailure) => failures.push(failure),
    onPieceEnd: () => true,
  };
  connection.begin(user as unknown as ConnectionUser, 'GET', { kind: 'none' }, '');
  const hints = `HTTP/1.1 103 Early Hints\r\nLink: ${'x'.repeat(366)}\r\n\r\n`;
  assert.equal(hints.length, 402);
  stream.events.onData?.(Buffer.from(hints + hints));
  assert.deepEqual([told, failures.length], [2, 0]);
  stream.events.onData?.(Buffer.from(hints));
  assert.deepEqual([told, failures[0]?.code], [2, ResetCode.Protocol]);
});
