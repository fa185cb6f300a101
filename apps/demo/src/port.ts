/** Ports for a demo that may not be alone on its machine: the documented ones where they are free, others where not. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { chooseConnectPort, chooseHttpPort, isFree } from '@postern/standalone/port-choice';

const host = '127.0.0.1';

/** The flags that give standalone its ports. A folder that was used before has ports of its own. */
export async function portFlags(state: string): Promise<string[]> {
  if (existsSync(join(state, 'ports.json'))) return freeFlags;
  const ports = {
    '--connect-port': await orFree(await chooseConnectPort(host)),
    '--http-port': await chooseHttpPort(host),
    '--tunnel-port': await orFree(9000),
    '--admin-port': await orFree(7443),
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
