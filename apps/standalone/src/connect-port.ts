/** The connect port where none is set: 443 for root where nobody has it, else 8443. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

const preferred = 443;
const otherwise = 8443;

/** Chooses it. */
export async function chooseConnectPort(host: string, userId = process.getuid?.()): Promise<number> {
  return userId === 0 && (await isFree(host, preferred)) ? preferred : otherwise;
}

/** One that nobody has now. */
export async function freePort(host: string): Promise<number> {
  const server = createServer();
  server.listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function isFree(host: string, port: number): Promise<boolean> {
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
