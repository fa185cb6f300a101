/**
 * An exchange over HTTP/1.1: bytes both ways at once in one request and its answer, each side checking every byte.
 *
 *   caller ──► POST /?bytes=…&seed=…  its own bytes
 *   server ──► 200, the bytes asked for at once, and when the request is whole: the hash of its body (64 hex)
 */
import { once } from 'node:events';
import { type IncomingMessage, type ServerResponse, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable, type Writable } from 'node:stream';
import type { Exchange, ExchangeResult, ExchangeServer } from './exchange.ts';
import { newHash, pattern, patternHash } from './pattern.ts';

const HASH_CHARACTERS = 64;

/** Starts a server for them in this process, on a free port of 127.0.0.1. */
export async function startHttpExchangeServer(): Promise<ExchangeServer> {
  let connections = 0;
  const server = createServer((incoming, answer) => {
    serve(incoming, answer).catch(() => answer.destroy());
  });
  server.on('connection', (socket) => {
    connections += 1;
    socket.once('close', () => (connections -= 1));
  });
  server.listen({ host: '127.0.0.1', port: 0, backlog: 4_096 });
  await once(server, 'listening');
  const stop = async (): Promise<void> => {
    const closed = once(server.close(), 'close');
    server.closeAllConnections();
    await closed;
  };
  return {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections;
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** Makes one exchange over a connection of its own; never rejects. */
export async function httpExchange(
  { host, port }: { readonly host: string; readonly port: number },
  wanted: Exchange,
): Promise<ExchangeResult> {
  const startedAt = performance.now();
  const { sendBytes, receiveBytes, seed } = wanted;
  const progress = { sent: 0, received: 0 };
  let cause: string | null;
  try {
    const path = `/?bytes=${receiveBytes}&seed=${seed}`;
    const headers = { 'content-length': sendBytes };
    const asked = request({ host, port, path, method: 'POST', headers, agent: false });
    const [answer] = await Promise.all([once(asked, 'response'), send(asked, wanted, progress)]);
    cause = await whyNotWhole(answer[0] as IncomingMessage, wanted, progress);
  } catch (error) {
    cause = (error as NodeJS.ErrnoException).code ?? String(error);
  }
  return { ok: cause === null, ...progress, milliseconds: performance.now() - startedAt, cause };
}

/** The caller's bytes and the server's differ, so that neither can be taken for an echo of the other. */
function callerSeed(seed: number): number {
  return seed + 0.25;
}

/** Ends early where the other end does not take all: what that came to is in the answer. */
async function send(to: Writable, wanted: Exchange, progress: { sent: number }): Promise<void> {
  to.on('error', () => {});
  const source = Readable.from(pattern(callerSeed(wanted.seed), wanted.sendBytes));
  source.on('data', (chunk: Buffer) => (progress.sent += chunk.length));
  source.pipe(to);
}

async function whyNotWhole(
  answer: IncomingMessage,
  wanted: Exchange,
  progress: { received: number },
): Promise<string | null> {
  if (answer.statusCode !== 200) {
    answer.resume();
    return `HTTP ${answer.statusCode}`;
  }
  const hash = newHash();
  let trailer = '';
  for await (const piece of answer) {
    const chunk = piece as Buffer;
    const body = chunk.subarray(0, Math.max(0, wanted.receiveBytes - progress.received));
    hash.update(body);
    progress.received += body.length;
    trailer = (trailer + chunk.subarray(body.length).toString('latin1')).slice(0, HASH_CHARACTERS + 1);
  }
  if (progress.received !== wanted.receiveBytes)
    return `received ${progress.received} of ${wanted.receiveBytes} bytes`;
  if (hash.digest('hex') !== patternHash(wanted.seed, wanted.receiveBytes)) return 'received other bytes';
  const sent = patternHash(callerSeed(wanted.seed), wanted.sendBytes);
  return trailer === sent ? null : 'the server received other bytes';
}

async function serve(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
  const { searchParams } = new URL(incoming.url ?? '/', 'http://server');
  const [bytes, seed] = [Number(searchParams.get('bytes')), Number(searchParams.get('seed'))];
  answer.writeHead(200, { 'content-length': bytes + HASH_CHARACTERS });
  const hash = newHash();
  const received = (async () => {
    for await (const chunk of incoming) hash.update(chunk as Buffer);
  })();
  const source = Readable.from(pattern(seed, bytes));
  source.pipe(answer, { end: false });
  await Promise.all([received, once(source, 'end')]);
  answer.end(hash.digest('hex'));
}
