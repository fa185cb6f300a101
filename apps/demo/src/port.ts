/** Ports for a demo that may not be alone on its machine: the documented ones where they are free, others where not. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { chooseConnectPort, chooseHttpPort, isFree } from '@postern/standalone/port-choice';

const host = '127.0.0.1';
const frontPortFirst = 15_000;
const frontPortLast = 16_999;

/** The flags that give standalone its ports. A folder that was used before has ports of its own. */
export async function portFlags(state: string, fronts: number): Promise<string[]> {
  if (existsSync(join(state, 'ports.json'))) return freeFlags;
  const ports = {
    '--connect-port': await orFree(await chooseConnectPort(host)),
    '--http-port': await chooseHttpPort(host),
    '--tunnel-port': await orFree(9000),
    '--admin-port': await orFree(7443),
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
  return (await isFree(host, port)) ? port : 0;
}

/** The first of so many free ports in a row, in the range of fronts. */
async function freeRange(count: number): Promise<number> {
  let found = 0;
  for (let port = frontPortFirst; port <= frontPortLast; port += 1) {
    found = (await isFree(host, port)) ? found + 1 : 0;
    if (found === count) return port - count + 1;
  }
  return frontPortFirst;
}
