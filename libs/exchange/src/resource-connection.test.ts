import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConnectionUser } from './resource-connection.ts';
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
