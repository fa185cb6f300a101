// Free ports for programs that must be told theirs. They are taken below the range from which the kernel
// gives ports to outgoing connections, so that none of the run's own connections can take one meanwhile.

import { createServer } from 'node:net';

const lowest = 20_000;
const highest = 32_000;
const given = new Set<number>();

/** A TCP port of 127.0.0.1 that nobody listens on, and that is given once in a run. */
export async function freePort(): Promise<number> {
  for (
    let port = lowest + Math.floor(Math.random() * 2_000), tries = 0;
    tries < highest - lowest;
    port++, tries++
  ) {
    const candidate = lowest + ((port - lowest) % (highest - lowest));
    if (given.has(candidate)) continue;
    given.add(candidate);
    if (await canListen(candidate)) return candidate;
  }
  throw new Error(`no free port between ${lowest} and ${highest}`);
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
