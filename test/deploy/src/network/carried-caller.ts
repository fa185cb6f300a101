/** A node that tells its callers which balancer brought them, and callers that want to know, in all ways that matter. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type Socket, connect, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type Address, patience } from '../caller.ts';

/** A node that says which balancer brought the caller, and sends as many bytes as he wants. */
export async function startNode(host: string, port: number): Promise<void> {
  const ops = createHttpServer((_, response) => response.end());
  ops.listen(9101, host);
  const node = createServer((socket) => {
    let asked = '';
    socket.on('error', () => {});
    socket.setEncoding('utf8').on('data', (text: string) => {
      asked += text;
      const lines = asked.split('\n');
      asked = lines.pop() ?? '';
      for (const [word, bytes] of lines.map((line) => line.split(' '))) {
        if (word === 'who') socket.write(`${socket.remoteAddress}\n`);
        else if (word === 'bytes') socket.write(Buffer.alloc(Number(bytes), 'x'));
        else socket.end();
      }
    });
  });
  node.listen(port, host);
  await Promise.all([once(ops, 'listening'), once(node, 'listening')]);
}

/** A connection that is held, and read only when an answer is awaited. */
export class Held {
  readonly socket: Socket;
  readonly #chunks: AsyncIterator<Buffer>;

  private constructor(socket: Socket) {
    this.socket = socket;
    this.#chunks = socket.iterator({ destroyOnReturn: false });
  }

  /** One that has been answered. */
  static async open(front: Address): Promise<Held> {
    const socket = connect({ ...front, noDelay: true });
    await once(socket, 'connect', { signal: AbortSignal.timeout(10_000 * patience) });
    const held = new Held(socket);
    await held.answer('who');
    return held;
  }

  /** Does not wait for the answer. */
  ask(words: string): void {
    this.socket.write(`${words}\n`);
  }

  /** The line that answers. */
  async answer(words: string): Promise<string> {
    this.ask(words);
    let received = '';
    while (!received.endsWith('\n')) received += String((await this.#read()) ?? assert.fail('it has ended'));
    return received.trim();
  }

  /** How many bytes come until the end. */
  async rest(): Promise<number> {
    let received = 0;
    for (;;) {
      const chunk = await this.#read();
      if (chunk === null) return received;
      received += chunk.length;
    }
  }

  /** Speaks, and is told that there is no such connection. */
  async isReset(withinMs: number): Promise<void> {
    this.ask('who');
    await assert.rejects(this.#read(withinMs), { code: 'ECONNRESET' });
  }

  async #read(withinMs = 15_000): Promise<Buffer | null> {
    const late = delay(withinMs * patience, 'late' as const, { ref: false });
    const next = await Promise.race([this.#chunks.next(), late]);
    assert(next !== 'late', `nothing came within ${withinMs * patience} ms`);
    return next.done === true ? null : next.value;
  }
}

/** The own address of the balancer that carries a new connection; null when none does. */
export async function carrier(front: Address): Promise<string | null> {
  try {
    return await request(front, 1_000);
  } catch {
    return null;
  }
}

function request(front: Address, withinMs: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect({ ...front, noDelay: true });
  socket.setTimeout(withinMs, () => socket.destroy(new Error(`no answer within ${withinMs} ms`)));
  socket.on('error', reject).on('close', () => reject(new Error('closed without an answer')));
  socket.on('connect', () => socket.write('who\n'));
  socket.setEncoding('utf8').on('data', (text: string) => {
    socket.destroy();
    resolve(text.trim());
  });
  return promise;
}

/** Callers without a pause, each with a connection of his own. */
export function callAllTheTime(front: Address, callersAtOnce: number) {
  const result = { served: 0, failures: [] as string[], slowestMs: 0, stopped: false };
  const call = async (): Promise<void> => {
    while (!result.stopped) {
      const startedAt = performance.now();
      try {
        await request(front, 10_000);
        result.served += 1;
      } catch (error) {
        result.failures.push(String(error));
      }
      result.slowestMs = Math.max(result.slowestMs, performance.now() - startedAt);
    }
  };
  const ended = Promise.all(Array.from({ length: callersAtOnce }, call));
  return {
    get served() {
      return result.served;
    },
    async stop() {
      result.stopped = true;
      await ended;
      return result;
    },
  };
}
