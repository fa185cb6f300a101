/**
 * Free ports for servers that cannot take 0 and say which they got. They are taken from below the range that the
 * kernel gives to outgoing connections, because a test that makes thousands of those would take them again
 * between our look and the server's.
 */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

const FIRST_PORT = 18_000;
const LAST_PORT = 32_000;
const ATTEMPTS_MAX = 100;

/** A port that is free on an address now. No port is given twice by one process. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const port = randomInt(FIRST_PORT, LAST_PORT);
    const key = `${host}:${port}`;
    if (given.has(key)) continue;
    if (await isFree(host, port)) {
      given.add(key);
      return port;
    }
  }
  throw new Error(`no free port found on ${host}`);
}

/** Whether a server could listen there. */
export function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

const given = new Set<string>();
