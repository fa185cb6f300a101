/** Ports for a demo that may not be alone on its machine: the documented ones where they are free, others where not. */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

const host = '127.0.0.1';
const frontPortFirst = 15_000;
const frontPortLast = 16_999;

/** The flags that give standalone its ports. A folder that was used before has ports of its own. */
export async function portFlags(state: string, fronts: number): Promise<string[]> {
  if (existsSync(join(state, 'ports.json'))) return freeFlags;
  const isRoot = process.getuid?.() === 0;
  const [connect, http, tunnel, admin] = [isRoot ? 443 : 8443, isRoot ? 80 : 8080, 9000, 7443];
  const ports = {
    '--connect-port': (await isFree(connect)) ? connect : await orFree(8443),
    '--http-port': await orFree(http),
    '--tunnel-port': await orFree(tunnel),
    '--admin-port': await orFree(admin),
    '--front-port-first': await freeRange(fronts),
  };
  return Object.entries(ports).flatMap(([flag, port]) => [flag, String(port)]);
}

/** Whatever is free, or was taken at an earlier start. */
export const freeFlags = [
  '--connect-port',
  '0',
  '--http-port',
  '0',
  '--tunnel-port',
  '0',
  '--admin-port',
  '0',
];

async function orFree(port: number): Promise<number> {
  return (await isFree(port)) ? port : 0;
}

/** The first of so many free ports in a row, in the range of fronts. */
async function freeRange(count: number): Promise<number> {
  let found = 0;
  for (let port = frontPortFirst; port <= frontPortLast; port += 1) {
    found = (await isFree(port)) ? found + 1 : 0;
    if (found === count) return port - count + 1;
  }
  return frontPortFirst;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, host);
    await once(server, 'listening');
    server.close();
    await once(server, 'close');
    return true;
  } catch {
    return false;
  }
}
