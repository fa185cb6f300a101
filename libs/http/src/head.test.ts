import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpFault } from './fault.ts';
import { requestFraming } from './framing.ts';
import { findHeadEnd, parseRequestHead, parseResponseHead, skipEmptyLines } from './head.ts';
import { readTarget } from './target.ts';

const limits = { headBytesMax: 1_024, fieldsMax: 8 };

function read(text: string): {
  target: ReturnType<typeof readTarget>;
  framing: ReturnType<typeof requestFraming>;
} {
  const bytes = Buffer.from(text, 'latin1');
  const from = skipEmptyLines(bytes, 0);
  const end = findHeadEnd(bytes, from, limits);
  assert.notEqual(end, -1, 'the head is whole');
  const head = parseRequestHead(bytes.toString('latin1', from, end), limits);
  return { framing: requestFraming(head), target: readTarget(head) };
}

const taken: [what: string, text: string, path: string, framing: object][] = [
  ['a path', 'GET /a HTTP/1.1\r\nHost: a\r\n\r\n', '/a', { kind: 'none' }],
  ['empty lines before it', '\r\n\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n', '/a', { kind: 'none' }],
  ['bytes beyond ASCII', 'GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n', '/%C3%A9', { kind: 'none' }],
  ['a host with a port', 'GET / HTTP/1.1\r\nHost: a:80\r\n\r\n', '/', { kind: 'none' }],
  ['a host with an empty port', 'GET / HTTP/1.1\r\nHost: a:\r\n\r\n', '/', { kind: 'none' }],
  ['an empty port in one place', 'GET http://a:/b HTTP/1.1\r\nHost: a\r\n\r\n', '/b', { kind: 'none' }],
  ['an IPv6 host', 'GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n', '/', { kind: 'none' }],
  ['the absolute form', 'GET http://a/b?c HTTP/1.1\r\nHost: a:80\r\n\r\n', '/b', { kind: 'none' }],
  ['the absolute form without a path', 'GET http://a HTTP/1.1\r\nHost: a\r\n\r\n', '/', { kind: 'none' }],
  ['the asterisk form', 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', '*', { kind: 'none' }],
  ['its absolute form', 'OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n', '*', { kind: 'none' }],
  ['a length', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n', '/', { kind: 'length', length: 5 }],
  [
    'chunked, in any letters',
    'POST / HTTP/1.1\r\nHost: a\r\nTRANSFER-ENCODING: \tChunked \r\n\r\n',
    '/',
    { kind: 'chunked' },
  ],
  [
    'HTTP/1.2, as HTTP/1.1',
    'POST /a HTTP/1.2\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n',
    '/a',
    { kind: 'chunked' },
  ],
  ['a host with every unreserved sign', 'GET / HTTP/1.1\r\nHost: a~b_c-d.e\r\n\r\n', '/', { kind: 'none' }],
  ['HTTP/1.0 without Host', 'GET / HTTP/1.0\r\n\r\n', '/', { kind: 'none' }],
  ['a field of Latin-1', 'GET / HTTP/1.1\r\nHost: a\r\nX: \xe9\r\n\r\n', '/', { kind: 'none' }],
  ['a field without a value', 'GET / HTTP/1.1\r\nHost: a\r\nX:\r\n\r\n', '/', { kind: 'none' }],
];

for (const [what, text, path, framing] of taken) {
  test(`takes ${what}`, () => {
    const request = read(text);
    assert.equal(request.target.path, path);
    assert.deepEqual(request.framing, framing);
  });
}

test('a host with an empty port is called without it', () => {
  for (const [host, called] of [
    ['a:', 'a'],
    ['[::1]:', '[::1]'],
    ['a:80', 'a:80'],
  ] as const)
    assert.equal(read(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`).target.authority, called);
});

const host = 'Host: a\r\n';
const chunkedLine = 'Transfer-Encoding: chunked\r\n';
const refused: [what: string, text: string, code?: HttpFault['code']][] = [
  ['both lengths (CL.TE)', `POST / HTTP/1.1\r\n${host}Content-Length: 6\r\n${chunkedLine}\r\n`],
  ['both lengths (TE.CL)', `POST / HTTP/1.1\r\n${host}${chunkedLine}Content-Length: 3\r\n\r\n`],
  ['Transfer-Encoding twice', `POST / HTTP/1.1\r\n${host}${chunkedLine}${chunkedLine}\r\n`],
  [
    'Transfer-Encoding twice, once another',
    `POST / HTTP/1.1\r\n${host}${chunkedLine}Transfer-Encoding: x\r\n\r\n`,
  ],
  ['a coding that hides chunked', `POST / HTTP/1.1\r\n${host}Transfer-Encoding: xchunked\r\n\r\n`],
  ['chunked in a list', `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked, identity\r\n\r\n`],
  ['chunked twice in a list', `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked, chunked\r\n\r\n`],
  ['chunked in quotes', `POST / HTTP/1.1\r\n${host}Transfer-Encoding: "chunked"\r\n\r\n`],
  ['chunked behind a vertical tab', `POST / HTTP/1.1\r\n${host}Transfer-Encoding: \x0bchunked\r\n\r\n`],
  ['identity', `POST / HTTP/1.1\r\n${host}Transfer-Encoding: identity\r\n\r\n`],
  ['an empty coding', `POST / HTTP/1.1\r\n${host}Transfer-Encoding:\r\n\r\n`],
  ['gzip, chunked', `POST / HTTP/1.1\r\n${host}Transfer-Encoding: gzip, chunked\r\n\r\n`, 'HTTP_CODING'],
  ['Transfer-Encoding in HTTP/1.0', `POST / HTTP/1.0\r\n${host}${chunkedLine}\r\n`],
  ['white space before the colon', `POST / HTTP/1.1\r\n${host}Transfer-Encoding : chunked\r\n\r\n`],
  ['a tab before the colon', `POST / HTTP/1.1\r\n${host}Content-Length\t: 3\r\n\r\n`],
  ['white space before a name', `POST / HTTP/1.1\r\n${host} Transfer-Encoding: chunked\r\n\r\n`],
  ['white space before the first name', `POST / HTTP/1.1\r\n Host: b\r\n${host}\r\n`],
  ['a folded field', `POST / HTTP/1.1\r\n${host}X: a\r\n Transfer-Encoding: chunked\r\n\r\n`],
  ['a folded coding', `POST / HTTP/1.1\r\n${host}Transfer-Encoding:\r\n chunked\r\n\r\n`],
  ['a field folded with a tab', `POST / HTTP/1.1\r\n${host}X: a\r\n\tb: c\r\n\r\n`],
  ['a bare LF between fields', `POST / HTTP/1.1\r\n${host}X: a\nTransfer-Encoding: chunked\r\n\r\n`],
  ['a bare LF behind the request line', `POST / HTTP/1.1\n${host}\r\n`],
  ['a bare CR in a value', `POST / HTTP/1.1\r\n${host}X: a\rTransfer-Encoding: chunked\r\n\r\n`],
  ['a CR before CR LF', `POST / HTTP/1.1\r\n${host}X: a\r\r\n\r\n`],
  ['NUL in a value', `POST / HTTP/1.1\r\n${host}X: a\0b\r\n\r\n`],
  ['NUL in a name', `POST / HTTP/1.1\r\n${host}X\0: a\r\n\r\n`],
  ['DEL in a value', `POST / HTTP/1.1\r\n${host}X: a\x7f\r\n\r\n`],
  ['an empty name', `POST / HTTP/1.1\r\n${host}: a\r\n\r\n`],
  ['a name with a bracket', `POST / HTTP/1.1\r\n${host}X[]: a\r\n\r\n`],
  ['a name of Latin-1', `POST / HTTP/1.1\r\n${host}X\xa0: a\r\n\r\n`],
  ['a line without a colon', `POST / HTTP/1.1\r\n${host}Transfer-Encoding\r\n\r\n`],
  [
    'Content-Length twice, the same',
    `POST / HTTP/1.1\r\n${host}Content-Length: 3\r\nContent-Length: 3\r\n\r\n`,
  ],
  [
    'Content-Length twice, other',
    `POST / HTTP/1.1\r\n${host}Content-Length: 3\r\nContent-Length: 30\r\n\r\n`,
  ],
  ['a list of lengths', `POST / HTTP/1.1\r\n${host}Content-Length: 3, 3\r\n\r\n`],
  ['a signed length', `POST / HTTP/1.1\r\n${host}Content-Length: +3\r\n\r\n`],
  ['a negative length', `POST / HTTP/1.1\r\n${host}Content-Length: -3\r\n\r\n`],
  ['a hexadecimal length', `POST / HTTP/1.1\r\n${host}Content-Length: 0x3\r\n\r\n`],
  ['a length in quotes', `POST / HTTP/1.1\r\n${host}Content-Length: "3"\r\n\r\n`],
  ['an empty length', `POST / HTTP/1.1\r\n${host}Content-Length:\r\n\r\n`],
  ['a length that overflows', `POST / HTTP/1.1\r\n${host}Content-Length: 18446744073709551619\r\n\r\n`],
  ['a length with white space in it', `POST / HTTP/1.1\r\n${host}Content-Length: 3 3\r\n\r\n`],
  ['no Host', 'GET / HTTP/1.1\r\n\r\n'],
  ['an empty Host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n'],
  ['two Hosts', `GET / HTTP/1.1\r\n${host}Host: b\r\n\r\n`],
  ['two Hosts, the same', `GET / HTTP/1.1\r\n${host}${host}\r\n`],
  ['a Host with a user', 'GET / HTTP/1.1\r\nHost: a@b\r\n\r\n'],
  ['a Host with a path', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n'],
  ['a Host with a list that is one in X-Forwarded-Host too', 'GET / HTTP/1.1\r\nHost: a,b\r\n\r\n'],
  ['a Host with a quote', "GET / HTTP/1.1\r\nHost: a'b\r\n\r\n"],
  ['a Host with a percent sign', 'GET / HTTP/1.1\r\nHost: %61\r\n\r\n'],
  ['a Host with a list', 'GET / HTTP/1.1\r\nHost: a, b\r\n\r\n'],
  ['a Host with a port that is none', 'GET / HTTP/1.1\r\nHost: a:b\r\n\r\n'],
  ['an absolute form of another host', `GET http://b/ HTTP/1.1\r\n${host}\r\n`],
  ['an absolute form of another port', `GET http://a:81/ HTTP/1.1\r\n${host}\r\n`],
  ['an absolute form with a user', `GET http://u@a/ HTTP/1.1\r\n${host}\r\n`],
  ['an absolute form of another scheme', `GET ftp://a/ HTTP/1.1\r\n${host}\r\n`],
  ['a target that is no path', `GET a HTTP/1.1\r\n${host}\r\n`],
  ['the asterisk with GET', `GET * HTTP/1.1\r\n${host}\r\n`],
  ['a fragment', `GET /a#b HTTP/1.1\r\n${host}\r\n`],
  ['two spaces in the request line', `GET  / HTTP/1.1\r\n${host}\r\n`],
  ['a tab in the request line', `GET\t/ HTTP/1.1\r\n${host}\r\n`],
  ['a space at the request line’s end', `GET / HTTP/1.1 \r\n${host}\r\n`],
  ['a method that is no token', `G(T / HTTP/1.1\r\n${host}\r\n`],
  ['HTTP/0.9', 'GET /\r\n\r\n'],
  ['another protocol', `GET / HTTQ/1.1\r\n${host}\r\n`],
  ['HTTP/1.2 without Host', 'GET / HTTP/1.2\r\n\r\n'],
  ['HTTP/2.0 as text', `GET / HTTP/2.0\r\n${host}\r\n`, 'HTTP_VERSION'],
  ['HTTP/1.10', `GET / HTTP/1.10\r\n${host}\r\n`],
  ['CONNECT', `CONNECT a:1 HTTP/1.1\r\n${host}\r\n`, 'HTTP_METHOD'],
  ['TRACE', `TRACE / HTTP/1.1\r\n${host}\r\n`, 'HTTP_METHOD'],
  [
    'more fields than fieldsMax',
    `GET / HTTP/1.1\r\n${host}${'a: b\r\n'.repeat(8)}\r\n`,
    'HTTP_HEAD_TOO_LONG',
  ],
  [
    'more bytes than headBytesMax',
    `GET / HTTP/1.1\r\n${host}a: ${'b'.repeat(1_024)}\r\n\r\n`,
    'HTTP_HEAD_TOO_LONG',
  ],
];

for (const [what, text, code = 'HTTP_MALFORMED'] of refused) {
  test(`refuses ${what}`, () => {
    assert.throws(
      () => read(text),
      (error) => error instanceof HttpFault && error.code === code,
    );
  });
}

test('a head with a bare LF is refused before its end has come', () => {
  assert.throws(() => findHeadEnd(Buffer.from('GET / HTTP/1.1\nHost: a\n\n'), 0, limits), HttpFault);
});

test('a head that is too long is refused before its end has come', () => {
  const bytes = Buffer.from(`GET / HTTP/1.1\r\nX: ${'a'.repeat(limits.headBytesMax)}`);
  assert.throws(() => findHeadEnd(bytes, 0, limits), { code: 'HTTP_HEAD_TOO_LONG' });
  const target = Buffer.from(`GET /${'a'.repeat(limits.headBytesMax)}`);
  assert.throws(() => findHeadEnd(target, 0, limits), { code: 'HTTP_TARGET_TOO_LONG' });
});

const badAnswers = [
  'HTTP/1.1 200\nOK\r\n\r\n',
  'HTTP/2 200 OK\r\n\r\n',
  'HTTP/1.1 20 OK\r\n\r\n',
  'HTTP/1.1 600 OK\r\n\r\n',
  'HTTP/1.1  200 OK\r\n\r\n',
  '200 OK\r\n\r\n',
  'HTTP/1.1 200 OK\r\nX : a\r\n\r\n',
  'HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n',
];
for (const text of badAnswers) {
  test(`refuses the answer ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseResponseHead(text, limits), HttpFault);
  });
}

test('an answer of HTTP/1.2 is one of HTTP/1.1', () => {
  assert.equal(parseResponseHead('HTTP/1.2 200 OK\r\n\r\n', limits).minor, 1);
});

test('an answer without a reason is taken', () => {
  const { status, reason } = parseResponseHead('HTTP/1.1 200\r\n\r\n', limits);
  assert.deepEqual([status, reason], [200, '']);
});

test('where a head ends, and whether it may, is the same when its beginning is known already', () => {
  for (const text of ['xGET / HTTP/1.1\r\nHost: a\r\n\r\nPOST', 'xGET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n']) {
    const bytes = Buffer.from(text);
    const whole = endOf(bytes, 0);
    for (let known = 0; known < bytes.length; known += 1) {
      if (endOf(bytes.subarray(0, known + 1), 0) === -1) assert.equal(endOf(bytes, known), whole);
    }
  }
});

function endOf(bytes: Buffer, known: number): number | string {
  try {
    return findHeadEnd(bytes, 1, limits, known);
  } catch (error) {
    assert.ok(error instanceof HttpFault);
    return error.code;
  }
}
