/**
 * An exchange: bytes both ways at once over one connection, each side checking every byte of the other's.
 *
 *   caller ──► request (one line of JSON: how many bytes it wants, of which seed), its own bytes, FIN
 *   server ──► the bytes asked for, and once the caller's FIN is there: the hash of what it received (64 hex), FIN
 *
 * The server hashes what it gets, and the caller compares that with what it sent; and the other way round. A
 * request of 0 bytes with half-close is as good as a gigabyte.
 */
import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { type TcpServer, startTcp } from '../server/tcp.ts';
import { newHash, pattern, patternHash } from './pattern.ts';

const REQUEST_BYTES_MAX = 1_024;
const HASH_CHARACTERS = 64;

/** What a caller sends and asks for. Seeds make the bytes. */
export interface Exchange {
  readonly sendBytes: number;
  readonly receiveBytes: number;
  readonly seed: number;
}

/** What an exchange came to. `ok` when every byte was right, both ways. */
export interface ExchangeResult {
  readonly ok: boolean;
  readonly sent: number;
  readonly received: number;
  readonly milliseconds: number;
  /** Why it is not ok: an error's code, or what differed. */
  readonly cause: string | null;
}

/** A server for exchanges, on a free port of 127.0.0.1. */
export type ExchangeServer = TcpServer;

/** Starts one in this process. */
export function startExchangeServer(): Promise<ExchangeServer> {
  return startTcp((socket) => void serve(socket).catch(() => socket.resetAndDestroy()));
}

/** Where an exchange goes; with `tls`, over TLS to a front of that name, whose certificate is verified. */
export interface ExchangeTarget {
  readonly host: string;
  readonly port: number;
  readonly tls?: { readonly ca: string; readonly servername: string };
}

/** Makes one exchange; never rejects. */
export async function exchange(target: ExchangeTarget, wanted: Exchange): Promise<ExchangeResult> {
  const startedAt = performance.now();
  const { host, port, tls } = target;
  const to = { host, port, allowHalfOpen: true };
  const socket = tls === undefined ? connect({ ...to, noDelay: true }) : connectTls({ ...to, ...tls });
  socket.on('error', () => {});
  const progress = { sent: 0, received: 0 };
  let cause: string | null = null;
  try {
    const connected = once(socket, tls === undefined ? 'connect' : 'secureConnect');
    const sending = connected.then(() => sendCaller(socket, wanted, progress));
    const [answer] = await Promise.all([receiveAnswer(socket, wanted.receiveBytes, progress), sending]);
    cause = compare(wanted, answer);
  } catch (error) {
    cause = (error as NodeJS.ErrnoException).code ?? String(error);
  } finally {
    socket.destroy();
  }
  return { ok: cause === null, ...progress, milliseconds: performance.now() - startedAt, cause };
}

/** The caller's bytes and the server's differ, so that neither can be taken for an echo of the other. */
function callerSeed(seed: number): number {
  return seed + 0.5;
}

async function sendCaller(socket: Socket, wanted: Exchange, progress: { sent: number }): Promise<void> {
  socket.write(`${JSON.stringify({ bytes: wanted.receiveBytes, seed: wanted.seed })}\n`);
  for (const chunk of pattern(callerSeed(wanted.seed), wanted.sendBytes)) {
    if (!socket.write(chunk)) await drained(socket);
    progress.sent += chunk.length;
  }
  socket.end();
}

interface Answer {
  readonly bytes: number;
  readonly hash: string;
  readonly trailer: string;
}

async function receiveAnswer(socket: Socket, bytes: number, progress: { received: number }): Promise<Answer> {
  const hash = newHash();
  let trailer = '';
  for await (const chunk of incoming(socket)) {
    const body = chunk.subarray(0, Math.max(0, bytes - progress.received));
    hash.update(body);
    progress.received += body.length;
    trailer = (trailer + chunk.subarray(body.length).toString('latin1')).slice(0, HASH_CHARACTERS + 1);
  }
  return { bytes: progress.received, hash: hash.digest('hex'), trailer };
}

function compare(wanted: Exchange, answer: Answer): string | null {
  if (answer.bytes !== wanted.receiveBytes) return `received ${answer.bytes} of ${wanted.receiveBytes} bytes`;
  if (answer.hash !== patternHash(wanted.seed, wanted.receiveBytes)) return 'received other bytes';
  if (answer.trailer.length !== HASH_CHARACTERS) return 'the answer has no end';
  const sent = patternHash(callerSeed(wanted.seed), wanted.sendBytes);
  return answer.trailer === sent ? null : 'the server received other bytes';
}

async function serve(socket: Socket): Promise<void> {
  const hash = newHash();
  let head: Buffer | null = Buffer.alloc(0);
  let sending: Promise<void> = Promise.resolve();
  for await (const chunk of incoming(socket)) {
    if (head === null) {
      hash.update(chunk);
      continue;
    }
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf(10);
    if (end === -1) {
      if (head.length > REQUEST_BYTES_MAX) throw new Error('the request is too long');
      continue;
    }
    const { bytes, seed } = JSON.parse(head.toString('utf8', 0, end)) as { bytes: number; seed: number };
    hash.update(head.subarray(end + 1));
    head = null;
    sending = sendPattern(socket, seed, bytes);
    sending.catch(() => socket.resetAndDestroy());
  }
  await sending;
  socket.end(hash.digest('hex'));
}

async function sendPattern(socket: Socket, seed: number, bytes: number): Promise<void> {
  for (const chunk of pattern(seed, bytes)) {
    if (!socket.write(chunk)) await drained(socket);
  }
}

/** Rejects when the socket ends instead, so that nothing waits for ever. */
function drained(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      socket.off('drain', onDrain);
      socket.off('close', onClose);
    };
    const onDrain = (): void => {
      end();
      resolve();
    };
    const onClose = (): void => {
      end();
      reject(socket.errored ?? new Error('closed while sending'));
    };
    socket.on('drain', onDrain);
    socket.on('close', onClose);
    if (socket.destroyed) onClose();
  });
}

/** The bytes up to the peer's FIN. The plain iterator would destroy the socket there, and our half of it. */
function incoming(socket: Socket): AsyncIterable<Buffer> {
  return socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
}
