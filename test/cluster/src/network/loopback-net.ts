/**
 * A /24 of the loopback network for one cluster, so that every node has an address of its own and all of them serve
 * the same ports, as machines would. Linux answers on all of 127.0.0.0/8 without set-up; others do not.
 *
 * A test in a network namespace of its own may give a net of 10.0.0.0/8 that it put on a bridge there.
 *
 * Whoever holds NET.254:65000 has the net: the kernel frees it with its process, so no net is ever left taken.
 */
import { randomInt } from 'node:crypto';
import { type Server, createServer } from 'node:net';

const LOCK_PORT = 65_000;
const ATTEMPTS_MAX = 50;

/** A net that this process holds. */
export interface LoopbackNet {
  /** The first three numbers: `127.0.1`. */
  readonly prefix: string;
  /** Address `n` of the net. */
  address(n: number): string;
  release(): void;
}

/** Takes the net of that prefix, or a free one. */
export async function takeLoopbackNet(prefix?: string): Promise<LoopbackNet> {
  if (prefix !== undefined) {
    if (!/^(127|10)\.\d{1,3}\.\d{1,3}$/.test(prefix))
      throw new Error(`not a loopback net: ${prefix} (like 127.0.1)`);
    const net = await tryTake(prefix);
    if (net === null) throw new Error(`the net ${prefix} is used by another cluster`);
    return net;
  }
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const net = await tryTake(`127.${randomInt(16, 240)}.${randomInt(0, 256)}`);
    if (net !== null) return net;
  }
  throw new Error('no free loopback net found');
}

async function tryTake(prefix: string): Promise<LoopbackNet | null> {
  const lock = await listen(`${prefix}.254`);
  if (lock === null) return null;
  return { prefix, address: (n) => `${prefix}.${n}`, release: () => void lock.close() };
}

function listen(host: string): Promise<Server | null> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.unref();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(null);
      else reject(error);
    });
    server.listen({ host, port: LOCK_PORT, exclusive: true }, () => resolve(server));
  });
}
