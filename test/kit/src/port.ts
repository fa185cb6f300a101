/**
 * Free ports for servers that cannot take 0 and say which they got, and where nobody is to listen. They are taken from below
 * the range that the kernel gives to outgoing connections, because a test that makes thousands of those would take them
 * again between our look and the server's.
 *
 * A process has them in blocks, which are nobody else's: whoever listens at the first port of a block has it, and the kernel
 * frees it with its process.
 */
import { randomInt } from 'node:crypto';
import { type Server, createServer } from 'node:net';

const FIRST_PORT = 18_000;
const BLOCKS = 140;
const BLOCK_PORTS = 100;
const ATTEMPTS_MAX = 100;

/** A port that is free on an address now. No port is given twice by one process, nor by two at a time. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const port = await nextPort();
    if (await isFree(host, port)) return port;
  }
  throw new Error(`no free port found on ${host}`);
}

/** Whether a server could listen there. */
export async function isFree(host: string, port: number): Promise<boolean> {
  const server = await listen(host, port);
  if (server === null) return false;
  await new Promise((resolve) => server.close(resolve));
  return true;
}

/** Those of this process that were not given yet. */
const left: number[] = [];
let taking: Promise<void> | null = null;

async function nextPort(): Promise<number> {
  for (;;) {
    const port = left.shift();
    if (port !== undefined) return port;
    taking ??= takeBlock().finally(() => (taking = null));
    await taking;
  }
}

async function takeBlock(): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const first = FIRST_PORT + randomInt(BLOCKS) * BLOCK_PORTS;
    const lock = await listen('127.0.0.1', first);
    if (lock === null) continue;
    lock.unref();
    for (let port = first + 1; port < first + BLOCK_PORTS; port += 1) left.push(port);
    return;
  }
  throw new Error('no free block of ports found');
}

function listen(host: string, port: number): Promise<Server | null> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', () => resolve(null));
    server.listen({ host, port, exclusive: true }, () => resolve(server));
  });
}
