import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { test } from 'node:test';
import { until } from '../fixture/node.ts';
import { withHttp } from '../fixture/http-world.ts';

const bodyBytes = 6_000_001;

/** How the resource says how long its answer is. */
const framings = ['length', 'close', 'chunked'] as const;

/** Answers with what it is sent. */
function startEcho() {
  const server = createServer((incoming, answer) => {
    const framing = incoming.url?.slice(1);
    if (framing === 'length') answer.setHeader('Content-Length', incoming.headers['content-length'] ?? 0);
    if (framing === 'close') {
      answer.removeHeader('Transfer-Encoding');
      answer.setHeader('Connection', 'close');
      answer.useChunkedEncodingByDefault = false;
    }
    incoming.on('error', () => {});
    incoming.pipe(answer);
  });
  return server.listen(0, '127.0.0.1');
}

async function sumOf(answer: IncomingMessage, slow: boolean): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of answer) {
    hash.update(chunk as Buffer);
    if (slow) await setImmediate();
  }
  return hash.digest('hex');
}

test('bulk comes as it was sent, both ways at once, while others leave in the middle of theirs', async () => {
  const echo = startEcho();
  await once(echo, 'listening');
  try {
    const { port: resourcePort } = echo.address() as AddressInfo;
    await withHttp(
      async ({ frontPort, edge }) => {
        const send = (framing: string, body: Buffer, headers = {}) => {
          const path = `/${framing}`;
          const sent = request({
            host: '127.0.0.1',
            port: frontPort,
            method: 'POST',
            path,
            agent: false,
            headers,
          });
          sent.on('error', () => {});
          sent.end(body);
          return sent;
        };
        const echoed = async (framing: string, slow: boolean, headers: (body: Buffer) => object) => {
          const body = randomBytes(bodyBytes);
          const [answer] = (await once(send(framing, body, headers(body)), 'response')) as [IncomingMessage];
          assert.equal(answer.statusCode, 200);
          assert.equal(await sumOf(answer, slow), createHash('sha256').update(body).digest('hex'));
        };
        const leave = async (framing: string) => {
          const sent = send(framing, randomBytes(bodyBytes), { 'Content-Length': bodyBytes });
          const [answer] = (await once(sent, 'response')) as [IncomingMessage];
          answer.on('error', () => {});
          await once(answer, 'data');
          sent.destroy();
        };
        const byLength = (body: Buffer) => ({ 'Content-Length': body.length });
        const chunked = () => ({ 'Transfer-Encoding': 'chunked' });
        for (let round = 0; round < 2; round += 1) {
          await Promise.all([
            ...framings.map((framing) => echoed(framing, false, byLength)),
            echoed('length', true, byLength),
            echoed('chunked', false, chunked),
            ...framings.map(leave),
          ]);
        }
        await until(() => JSON.stringify(edge.status()).includes('"open":0'));
      },
      { resourcePort },
    );
  } finally {
    echo.closeAllConnections();
    echo.close();
  }
});
