import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResponseHead } from '@postern/http';
import type { StreamEvents } from '@postern/tunnel';
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

/** A connection to a resource whose words the test says itself, by `stream.events`. */
function makeConnection(): { stream: { events: StreamEvents }; connection: ResourceConnection } {
  const stream = {
    phase: 'open',
    events: {} as StreamEvents,
    writeCopy: () => {},
    deliver: () => {},
    reset: () => {},
  };
  const limits = { headBytesMax: 1_000, fieldsMax: 10 };
  const connection = new ResourceConnection(stream as never, 'client', 'resource', limits, () => {});
  return { stream, connection };
}

test('heads with 1xx are passed on up to a bound, and those behind it end nothing', () => {
  const { stream, connection } = makeConnection();
  const told: (number | null)[] = [];
  let status = 0;
  const failures: ConnectionFailure[] = [];
  const user = {
    onInformation: (head: ResponseHead | null) => told.push(head?.status ?? null),
    onHead: (head: ResponseHead) => (status = head.status),
    onAnswered: () => {},
    onFailed: (failure: ConnectionFailure) => failures.push(failure),
    onPieceEnd: () => true,
  };
  connection.begin(user as unknown as ConnectionUser, 'GET', { kind: 'none' }, '');
  const hints = `HTTP/1.1 103 Early Hints\r\nLink: ${'x'.repeat(366)}\r\n\r\n`;
  assert.equal(hints.length, 402);
  stream.events.onData?.(Buffer.from(hints + hints));
  assert.deepEqual(told, [103, 103]);
  stream.events.onData?.(Buffer.from(hints));
  assert.deepEqual(told, [103, 103, null]);
  stream.events.onData?.(Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'));
  assert.deepEqual([status, failures], [200, []]);

  connection.begin(user as unknown as ConnectionUser, 'GET', { kind: 'none' }, '');
  told.length = 0;
  stream.events.onData?.(Buffer.from('HTTP/1.1 102 Processing\r\n\r\n'.repeat(100)));
  assert.deepEqual(told, [...Array<number>(16).fill(102), ...Array<null>(84).fill(null)]);
  stream.events.onData?.(Buffer.from('HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n'));
  assert.deepEqual([status, failures], [201, []]);
});

test('a resource that says 1xx without end, and never answers, has failed', () => {
  const { stream, connection } = makeConnection();
  const failures: ConnectionFailure[] = [];
  const user = {
    onInformation: () => {},
    onFailed: (failure: ConnectionFailure) => failures.push(failure),
    onPieceEnd: () => true,
  };
  connection.begin(user as unknown as ConnectionUser, 'GET', { kind: 'none' }, '');
  stream.events.onData?.(Buffer.from('HTTP/1.1 102 Processing\r\n\r\n'.repeat(4_096)));
  assert.equal(failures.length, 0);
  stream.events.onData?.(Buffer.from('HTTP/1.1 102 Processing\r\n\r\n'));
  assert.equal(failures[0]?.text, 'more than 4096 heads with 1xx, and no answer');
});
