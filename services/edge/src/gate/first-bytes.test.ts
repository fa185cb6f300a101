import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lookForName, lookForTls } from './first-bytes.ts';

const sslRequest = Buffer.from('0000000804d2162f', 'hex');
const gssRequest = Buffer.from('0000000804d21630', 'hex');

test('TLS, text and anything else are told by their first byte', () => {
  assert.deepEqual(lookForTls(Buffer.from([22])), { kind: 'tls' });
  assert.deepEqual(lookForTls(Buffer.from('G')), { kind: 'text' });
  assert.equal(lookForTls(Buffer.from([255]))?.kind, 'other');
  assert.equal(lookForName(Buffer.from([22])), null);
  assert.equal(lookForName(Buffer.from([22, 9]))?.kind, 'other');
});

test('a PostgreSQL client that asks for encryption is answered once its question is whole', () => {
  for (let length = 1; length < sslRequest.length; length += 1) {
    assert.equal(lookForTls(sslRequest.subarray(0, length)), null);
  }
  assert.deepEqual(lookForTls(sslRequest), { kind: 'postgres', answer: 'S' });
  assert.deepEqual(lookForName(gssRequest), { kind: 'postgres', answer: 'N' });
});

test('what comes before the answer, and what only begins like a question, is refused', () => {
  const stuffed = Buffer.concat([sslRequest, Buffer.from('x')]);
  assert.match(JSON.stringify(lookForTls(stuffed)), /before the answer/);
  assert.equal(lookForTls(Buffer.from('000000080003', 'hex')), null);
  assert.equal(lookForTls(Buffer.from('0000000800030000', 'hex'))?.kind, 'other');
  assert.equal(lookForTls(Buffer.from('00000009', 'hex'))?.kind, 'other');
});
