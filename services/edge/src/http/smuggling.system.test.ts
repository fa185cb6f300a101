/**
 * Published ways to make two servers read one connection in two ways. Raw bytes go in at a front; what the resource got
 * is recorded raw. Each is refused with nothing sent on, or sent on as exactly one request that can be read in one way.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '../fixture/node.ts';
import { type HttpWorld, type ResourceSocket, withHttp } from '../fixture/http-world.ts';

const host = 'Host: a\r\n';
const chunked = 'Transfer-Encoding: chunked\r\n';
const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';

const refused: [what: string, bytes: string, status?: number][] = [
  [
    'CL.TE',
    `POST / HTTP/1.1\r\n${host}Content-Length: ${smuggled.length + 5}\r\n${chunked}\r\n0\r\n\r\n${smuggled}`,
  ],
  ['TE.CL', `POST / HTTP/1.1\r\n${host}${chunked}Content-Length: 4\r\n\r\n24\r\n${smuggled}\r\n0\r\n\r\n`],
  [
    'TE.TE, the second obscured',
    `POST / HTTP/1.1\r\n${host}${chunked}Transfer-Encoding: cow\r\n\r\n0\r\n\r\n${smuggled}`,
  ],
  ['TE.TE, xchunked', `POST / HTTP/1.1\r\n${host}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`],
  [
    'TE with a space before the colon',
    `POST / HTTP/1.1\r\n${host}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${smuggled}`,
  ],
  ['TE behind a vertical tab', `POST / HTTP/1.1\r\n${host}Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n`],
  ['TE on a folded line', `POST / HTTP/1.1\r\n${host}X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ['TE folded itself', `POST / HTTP/1.1\r\n${host}Transfer-Encoding\r\n : chunked\r\n\r\n0\r\n\r\n`],
  ['TE behind a bare LF', `POST / HTTP/1.1\r\n${host}X: y\n${chunked}\r\n0\r\n\r\n`],
  ['TE behind a bare CR', `POST / HTTP/1.1\r\n${host}X: y\r${chunked}\r\n0\r\n\r\n`],
  [
    'TE: chunked, identity',
    `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`,
  ],
  [
    'TE: identity, chunked',
    `POST / HTTP/1.1\r\n${host}Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n`,
  ],
  ['TE in HTTP/1.0', `POST / HTTP/1.0\r\n${host}${chunked}\r\n0\r\n\r\n${smuggled}`],
  [
    'CL.CL',
    `POST / HTTP/1.1\r\n${host}Content-Length: 0\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
  ],
  ['CL as a list', `POST / HTTP/1.1\r\n${host}Content-Length: 0, ${smuggled.length}\r\n\r\n${smuggled}`],
  ['CL with a sign', `POST / HTTP/1.1\r\n${host}Content-Length: +0\r\n\r\n${smuggled}`],
  ['CL with a space in its name', `POST / HTTP/1.1\r\n${host}Content-Length : 0\r\n\r\n${smuggled}`],
  ['two Hosts', `GET / HTTP/1.1\r\n${host}Host: b\r\n\r\n`],
  ['a Host on a line that is folded', `GET / HTTP/1.1\r\n${host} b\r\n\r\n`],
  ['an absolute form that is not the Host', `GET http://b/ HTTP/1.1\r\n${host}\r\n`],
  ['NUL in a field', `GET / HTTP/1.1\r\n${host}X: a\0b\r\n\r\n`],
  ['a head with bare LF only', `GET / HTTP/1.1\nHost: a\n\n`],
  ['HTTP/0.9', 'GET /\r\n\r\n'],
  ['a chunk size with a sign', `POST / HTTP/1.1\r\n${host}${chunked}\r\n+5\r\nhello\r\n0\r\n\r\n`],
  ['a chunk size with 0x', `POST / HTTP/1.1\r\n${host}${chunked}\r\n0x5\r\nhello\r\n0\r\n\r\n`],
  [
    'a chunk size that overflows',
    `POST / HTTP/1.1\r\n${host}${chunked}\r\n100000000000000005\r\nhello\r\n0\r\n\r\n`,
  ],
  ['a chunk extension with a bare LF', `POST / HTTP/1.1\r\n${host}${chunked}\r\n2;\nxx\r\n4c\r\n0\r\n\r\n`],
  ['a chunk extension with a bare CR', `POST / HTTP/1.1\r\n${host}${chunked}\r\n2;\rxx\r\nab\r\n0\r\n\r\n`],
  ['a chunk line that ends in a bare LF', `POST / HTTP/1.1\r\n${host}${chunked}\r\n5\nhello\r\n0\r\n\r\n`],
  ['chunk data longer than its size', `POST / HTTP/1.1\r\n${host}${chunked}\r\n5\r\nhello!!\r\n0\r\n\r\n`],
  ['chunk data that ends in a bare LF', `POST / HTTP/1.1\r\n${host}${chunked}\r\n5\r\nhello\n0\r\n\r\n`],
  ['a trailer that is folded', `POST / HTTP/1.1\r\n${host}${chunked}\r\n0\r\nX: y\r\n z\r\n\r\n`],
  ['CONNECT', `CONNECT b:25 HTTP/1.1\r\nHost: b:25\r\n\r\n`, 501],
  ['a version that is none', `GET / HTTP/3.0\r\n${host}\r\n`, 505],
  [
    'a chunk size with a space and no extension',
    `POST / HTTP/1.1\r\n${host}${chunked}\r\n5 \r\nhello\r\n0\r\n\r\n`,
  ],
  [
    'trailers that would frame',
    `POST / HTTP/1.1\r\n${host}${chunked}\r\n1\r\na\r\n0\r\nContent-Length: 9\r\nTransfer-Encoding: x\r\n\r\n`,
  ],
];

const passed: [what: string, bytes: string, line: string, body: string, answers: number][] = [
  [
    'GET with a body',
    `GET / HTTP/1.1\r\n${host}Content-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
    'GET / HTTP/1.1',
    smuggled,
    1,
  ],
  [
    'a length that covers a request',
    `POST / HTTP/1.1\r\n${host}Content-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
    'POST / HTTP/1.1',
    smuggled,
    1,
  ],
  [
    'chunk extensions',
    `POST / HTTP/1.1\r\n${host}${chunked}\r\n5;a="b"\r\nhello\r\n0;c\r\n\r\n`,
    'POST / HTTP/1.1',
    '5\r\nhello\r\n0\r\n\r\n',
    1,
  ],
  [
    'chunk extensions with white space',
    `POST / HTTP/1.1\r\n${host}${chunked}\r\n5 ; a = "b"\r\nhello\r\n0\t;c\r\n\r\n`,
    'POST / HTTP/1.1',
    '5\r\nhello\r\n0\r\n\r\n',
    1,
  ],
  [
    'a later HTTP/1',
    `POST / HTTP/1.2\r\n${host}${chunked}\r\n5\r\nhello\r\n0\r\n\r\n`,
    'POST / HTTP/1.1',
    '5\r\nhello\r\n0\r\n\r\n',
    1,
  ],
  [
    'chunk sizes with zeros',
    `POST / HTTP/1.1\r\n${host}${chunked}\r\n0005\r\nhello\r\n000\r\n\r\n`,
    'POST / HTTP/1.1',
    '5\r\nhello\r\n0\r\n\r\n',
    1,
  ],
  [
    'Chunked in capitals, with a tab',
    `POST / HTTP/1.1\r\n${host}Transfer-Encoding:\tCHUNKED\r\n\r\n1\r\na\r\n0\r\n\r\n`,
    'POST / HTTP/1.1',
    '1\r\na\r\n0\r\n\r\n',
    1,
  ],
  ['the absolute form', `GET http://a/x HTTP/1.1\r\n${host}\r\n`, 'GET /x HTTP/1.1', '', 1],
  [
    'fields that Connection would take away',
    `POST / HTTP/1.1\r\n${host}Connection: Content-Length, Host\r\nContent-Length: 5\r\n\r\nhello`,
    'POST / HTTP/1.1',
    'hello',
    1,
  ],
  [
    'an upgrade to h2c',
    `GET / HTTP/1.1\r\n${host}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n`,
    'GET / HTTP/1.1',
    '',
    1,
  ],
  ['a path that climbs', `GET /a/%2e%2e/b HTTP/1.1\r\n${host}\r\n`, 'GET /b HTTP/1.1', '', 1],
  ['an empty line before', `\r\nGET / HTTP/1.1\r\n${host}\r\n`, 'GET / HTTP/1.1', '', 1],
];

/** What a resource gets is answered by its framing as sent, once for each request. */
function answerAll(end: ResourceSocket): void {
  end.socket.on('data', () => {
    const { received } = end;
    const headEnd = received.indexOf('\r\n\r\n');
    if (headEnd < 0) return;
    const head = received.slice(0, headEnd + 4);
    const rest = received.slice(headEnd + 4);
    const length = Number(/\r\nContent-Length: (\d+)\r\n/.exec(head)?.[1] ?? '0');
    const whole = /\r\nTransfer-Encoding: chunked\r\n/.test(head)
      ? rest.endsWith('0\r\n\r\n')
      : rest.length >= length;
    if (!whole) return;
    seen.push({ head, body: rest });
    end.answer('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  });
}

let seen: { head: string; body: string }[] = [];
let world: HttpWorld;
const done = Promise.withResolvers<void>();
let running: Promise<void>;

before(async () => {
  const ready = Promise.withResolvers<void>();
  running = withHttp(
    (booted) => {
      world = booted;
      ready.resolve();
      return done.promise;
    },
    { respond: answerAll },
  );
  await Promise.race([ready.promise, running]);
});
after(async () => {
  done.resolve();
  await running;
});

for (const [what, bytes, status = 400] of refused) {
  test(`refused: ${what}`, async () => {
    seen = [];
    const caller = world.caller().send(bytes);
    const answer = await caller.ended();
    assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `));
    assert.equal(answer.match(/^HTTP\/1\.1 /gm)?.length, 1, 'answered once');
    assert.match(answer, /"code":"HTTP_/);
    // A body that turns out bad has begun to stream; the resource never gets a whole request of it.
    assert.deepEqual(seen, []);
  });
}

for (const [what, bytes, line, body, answers] of passed) {
  test(`one request only: ${what}`, async () => {
    seen = [];
    const caller = world.caller().send(bytes);
    caller.socket.end(`GET /next HTTP/1.1\r\n${host}\r\n`);
    const answer = await caller.ended();
    assert.equal(answer.match(/HTTP\/1\.1 200 OK/g)?.length, answers + 1);
    await until(() => seen.length === 2);
    assert.equal(seen[0]?.head.split('\r\n')[0], line);
    assert.equal(seen[0]?.body, body);
    assert.equal(
      seen[0]?.head.match(/\r\n(?:content-length|transfer-encoding):/gi)?.length ?? 0,
      body === '' ? 0 : 1,
    );
    assert.doesNotMatch(seen[0]?.head ?? '', /\r\n(?:upgrade|http2-settings|connection):/i);
    assert.match(seen[1]?.head ?? '', /^GET \/next /);
  });
}
