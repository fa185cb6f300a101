import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BodyReader } from './body-reader.ts';
import { HttpFault } from './fault.ts';
import { type Framing, lengthOfNone, responseFraming } from './framing.ts';
import { parseResponseHead } from './head.ts';

const limits = { headBytesMax: 1_024, fieldsMax: 8 };

/** Reads it in pieces of that size; what is left behind the body, and what was in it. */
function read(framing: Framing, text: string, pieceBytes: number) {
  const reader = new BodyReader(framing, limits);
  const bytes = Buffer.from(text, 'latin1');
  let body = '';
  const sink = { onBody: (piece: Buffer) => (body += piece.toString('latin1')) };
  let rest = '';
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const piece = bytes.subarray(at, at + pieceBytes);
    const next = reader.done ? 0 : reader.read(piece, 0, sink);
    rest += piece.toString('latin1', next);
  }
  return {
    body,
    rest,
    done: reader.done,
    trailers: reader.trailers.map(({ name, value }) => `${name}=${value}`),
  };
}

const chunked: Framing = { kind: 'chunked' };

for (const pieceBytes of [1, 2, 3, 7, 1_000]) {
  test(`reads bodies in pieces of ${pieceBytes}`, () => {
    assert.deepEqual(read({ kind: 'length', length: 5 }, 'helloNEXT', pieceBytes), {
      body: 'hello',
      rest: 'NEXT',
      done: true,
      trailers: [],
    });
    assert.deepEqual(
      read(chunked, '5;a=b;c="d"\r\nhello\r\n00A\r\n0123456789\r\n0\r\nX: 1\r\nY: 2\r\n\r\nNEXT', pieceBytes),
      { body: 'hello0123456789', rest: 'NEXT', done: true, trailers: ['X=1', 'Y=2'] },
    );
    assert.deepEqual(
      read(chunked, '5 ;a\r\nhello\r\n1\t ; a = b ; c\t=\t"d"\r\n!\r\n0 ;e\r\n\r\nNEXT', pieceBytes),
      { body: 'hello!', rest: 'NEXT', done: true, trailers: [] },
    );
    assert.deepEqual(read(chunked, '0\r\n\r\nNEXT', pieceBytes), {
      body: '',
      rest: 'NEXT',
      done: true,
      trailers: [],
    });
    assert.equal(read({ kind: 'close' }, 'all of it', pieceBytes).body, 'all of it');
    assert.equal(read({ kind: 'close' }, 'all of it', pieceBytes).done, false);
  });
}

const bad: [what: string, text: string][] = [
  ['a size that is none', 'x\r\n'],
  ['an empty size', '\r\n'],
  ['a size with a prefix', '0x5\r\nhello\r\n'],
  ['a signed size', '+5\r\nhello\r\n'],
  ['a negative size', '-5\r\n'],
  ['a size that overflows', `${'f'.repeat(16)}\r\n`],
  ['white space behind the size', '5 \r\nhello\r\n'],
  ['white space before the size', ' 5\r\nhello\r\n'],
  ['white space behind the size and no extension', '5 \t\r\nhello\r\n'],
  ['white space in the size', '5 5;a\r\nhello\r\n'],
  ['a size line that ends in a bare LF', '5\nhello\r\n'],
  ['an extension with a bare LF in it', '5;\nxx\r\nhello\r\n'],
  ['an extension with a bare CR in it', '5;\rxx\r\nhello\r\n'],
  ['an extension with NUL in it', '5;\0\r\nhello\r\n'],
  ['data that is longer than its size', '5\r\nhello!\r\n'],
  ['data followed by a bare LF', '5\r\nhello\n0\r\n\r\n'],
  ['data followed by a bare CR', '5\r\nhello\r0\r\n\r\n'],
  ['a length behind the body', '0\r\nContent-Length: 3\r\n\r\n'],
  ['a coding behind the body', '0\r\ntransfer-encoding: chunked\r\n\r\n'],
  ['a trailer that is folded', '0\r\nX: 1\r\n 2\r\n\r\n'],
  ['a trailer with a space before the colon', '0\r\nX : 1\r\n\r\n'],
  ['a trailer that ends in a bare LF', '0\r\nX: 1\n\r\n'],
  ['a long size line', `5;${'a'.repeat(300)}\r\n`],
  ['a size of many zeros', `${'0'.repeat(20)}5\r\n`],
  ['many extensions', `1;${'a'.repeat(200)}\r\nx\r\n`.repeat(90)],
  ['many trailers', `0\r\n${'a: b\r\n'.repeat(9)}\r\n`],
  ['long trailers', `0\r\na: ${'b'.repeat(1_100)}\r\n\r\n`],
];
for (const [what, text] of bad) {
  test(`refuses ${what}, however it is cut`, () => {
    for (const pieceBytes of [1, 2, 5, 10_000])
      assert.throws(() => read(chunked, text, pieceBytes), HttpFault);
  });
}

test('small chunks that come together are handed on together, before a large one behind them and before the end', () => {
  const reader = new BodyReader(chunked, limits);
  const pieces: number[] = [];
  const large = 'b'.repeat(5_000);
  const body = '1\r\na\r\n'.repeat(10_000) + `1388\r\n${large}\r\n` + '1\r\na\r\n'.repeat(10) + '0\r\n\r\n';
  let text = '';
  reader.read(Buffer.from(body), 0, {
    onBody: (piece) => {
      pieces.push(piece.length);
      text += piece.toString();
    },
  });
  assert.equal(text, 'a'.repeat(10_000) + large + 'a'.repeat(10));
  assert.deepEqual(pieces, [4_096, 4_096, 1_808, 5_000, 10]);
  assert.equal(reader.done, true);
});

const framings: [what: string, head: string, method: string, kind: Framing['kind'] | 'fault'][] = [
  ['HEAD has no body', '200 OK\r\nContent-Length: 5\r\n', 'HEAD', 'none'],
  ['304 has no body', '304 Not Modified\r\nContent-Length: 5\r\n', 'GET', 'none'],
  ['103 has no body', '103 Early Hints\r\nContent-Length: 5\r\n', 'GET', 'none'],
  ['204 has no body', '204 No Content\r\nTransfer-Encoding: chunked\r\n', 'GET', 'none'],
  ['without a length it ends with the connection', '200 OK\r\n', 'GET', 'close'],
  ['other fields say nothing of it', '200 OK\r\nAge: 7\r\nContent-Length: 5\r\n', 'GET', 'length'],
  ['it may come in chunks', '200 OK\r\nAge: 7\r\nTransfer-Encoding: chunked\r\n', 'GET', 'chunked'],
  ['the same length twice is one', '200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n', 'GET', 'length'],
  ['two lengths are none', '200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n', 'GET', 'fault'],
  ['both are none', '200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n', 'GET', 'fault'],
  ['another coding is none', '200 OK\r\nTransfer-Encoding: gzip\r\n', 'GET', 'fault'],
];
for (const [what, text, method, kind] of framings) {
  test(`of an answer: ${what}`, () => {
    const head = parseResponseHead(`HTTP/1.1 ${text}\r\n`, limits);
    if (kind === 'fault') assert.throws(() => responseFraming(head, method), HttpFault);
    else assert.equal(responseFraming(head, method).kind, kind);
  });
}

test('of an answer: HTTP/1.0 knows no Transfer-Encoding', () => {
  const head = parseResponseHead('HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', limits);
  assert.throws(() => responseFraming(head, 'GET'), HttpFault);
});

test('of an answer without a body the length is told that it would have, where it is one, and never with 204', () => {
  const told = (text: string): string | null =>
    lengthOfNone(parseResponseHead(`HTTP/1.1 ${text}\r\n`, limits));
  assert.equal(told('304 Not Modified\r\nAge: 7\r\nContent-Length: 5\r\n'), '5');
  assert.equal(told('304 Not Modified\r\nContent-Length: 5x\r\n'), null);
  assert.equal(told('304 Not Modified\r\nAge: 7\r\n'), null);
  assert.equal(told('204 No Content\r\nContent-Length: 0\r\n'), null);
});
