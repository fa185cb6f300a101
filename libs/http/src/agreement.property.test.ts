/**
 * Whatever is taken here, a strict parser of others (Node's llhttp) reads as the same requests after it has been passed
 * on, and whatever is taken here in the first place, it takes as well.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import { Duplex } from 'node:stream';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { BodyReader } from './body-reader.ts';
import { HttpFault } from './fault.ts';
import { formatRequestHead } from './forward-request.ts';
import { requestFraming } from './framing.ts';
import { findHeadEnd, parseRequestHead } from './head.ts';
import { readTarget } from './target.ts';

const limits = { headBytesMax: 4_096, fieldsMax: 32 };
const server: Server = createServer();
after(() => server.close());

interface Seen {
  method: string;
  target: string;
  body: string;
}

/** The requests that Node reads in these bytes; null when it refuses them. */
async function readByNode(bytes: Buffer, count: number): Promise<Seen[] | null> {
  const seen: Seen[] = [];
  const { promise, resolve } = Promise.withResolvers<Seen[] | null>();
  const socket = new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => done() });
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    let body = '';
    request.setEncoding('latin1').on('data', (text: string) => (body += text));
    request.on('end', () => {
      seen.push({ method: request.method ?? '', target: request.url ?? '', body });
      response.end();
      if (seen.length === count) resolve(seen);
    });
  };
  const refuse = (_error: Error, broken: Duplex): void => {
    broken.destroy();
    resolve(null);
  };
  server.on('request', handle).on('clientError', refuse);
  server.emit('connection', socket);
  socket.push(bytes);
  socket.push(null);
  socket.on('close', () => resolve(seen));
  const result = await promise;
  server.off('request', handle).off('clientError', refuse);
  socket.destroy();
  if (!socket.closed) await once(socket, 'close');
  return result;
}

/** What is taken here, as it was and as it is passed on; null when it is refused or not whole. */
function take(bytes: Buffer): { whole: Buffer; passed: Buffer; seen: Seen } | null {
  try {
    const end = findHeadEnd(bytes, 0, limits);
    if (end < 0) return null;
    const head = parseRequestHead(bytes.toString('latin1', 0, end), limits);
    const framing = requestFraming(head);
    const { path, query } = readTarget(head);
    const reader = new BodyReader(framing, limits);
    let body = '';
    const next = reader.done
      ? end
      : reader.read(bytes, end, { onBody: (piece) => (body += piece.toString('latin1')) });
    if (!reader.done) return null;
    const passed = formatRequestHead({
      method: head.method,
      target: path + query,
      fields: head.fields,
      framing,
      version: '1.1',
      authority: 'resource',
      scheme: 'http',
      destination: null,
      port: 80,
      caller: { address: '::1', scheme: 'http', authority: 'a', trusted: false, certificate: null },
      upgrade: null,
      trackingId: 't',
    });
    const sent =
      framing.kind === 'chunked'
        ? `${body.length.toString(16)}\r\n${body}\r\n${body === '' ? '' : '0\r\n\r\n'}`
        : body;
    return {
      whole: bytes.subarray(0, next),
      passed: Buffer.from(passed + sent, 'latin1'),
      seen: { method: head.method, target: path + query, body },
    };
  } catch (error) {
    if (error instanceof HttpFault) return null;
    throw error;
  }
}

const pieces = fc.constantFrom(
  'GET', 'POST', ' ', '/', '/a?b', '/\xe4','http://a/', '*', ' HTTP/1.1', ' HTTP/1.0', '\r\n', '\r', '\n', '\t', '\0', ':',
  'Host: a\r\n', 'Content-Length: 3\r\n', 'Content-Length: 0\r\n', 'Transfer-Encoding: chunked\r\n', 'Transfer-Encoding',
  'chunked', 'X: y\r\n', ' folded\r\n', '3\r\nabc\r\n', '0\r\n\r\n', '0\r\n', '3;x\r\nabc\r\n', 'abc', ',', 'identity', '\x0b', 'Z: 1',
); // prettier-ignore
const start = fc.constantFrom(
  'GET / HTTP/1.1\r\nHost: a\r\n',
  'POST /x HTTP/1.1\r\nHost: a\r\n',
  'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n',
  '',
);

test('what is taken is read by another strict parser as the same request, as it came and as it is passed on', async () => {
  let takenCount = 0;
  await fc.assert(
    fc.asyncProperty(start, fc.array(pieces, { maxLength: 10 }), fc.boolean(), async (first, rest, ended) => {
      const bytes = Buffer.from(first + rest.join('') + (ended ? '\r\n' : ''), 'latin1');
      const request = take(bytes);
      if (request === null) return;
      takenCount += 1;
      assert.deepEqual(await readByNode(request.passed, 1), [request.seen]);
      const asItCame = await readByNode(request.whole, 1);
      assert.deepEqual(
        asItCame?.map(({ method, body }) => ({ method, body })),
        [{ method: request.seen.method, body: request.seen.body }],
      );
    }),
    { numRuns: 3_000 },
  );
  assert.ok(takenCount > 100, `only ${takenCount} were taken`);
});
