/** The shared ports where none is set: those that everybody knows for root where nobody has them, else others. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

/** The connect port: 443 for root where it is free, else 8443. */
export async function chooseConnectPort(host: string, userId = process.getuid?.()): Promise<number> {
  return userId === 0 && (await isFree(host, 443)) ? 443 : 8443;
}

/** The port of plain HTTP: 80 for root, 8080 for all others, any where that is taken. Nobody need know it beforehand. */
export async function chooseHttpPort(host: string, userId = process.getuid?.()): Promise<number> {
  const preferred = userId === 0 ? 80 : 8080;
  return (await isFree(host, preferred)) ? preferred : freePort(host);
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

/** Whether a server could listen there now. */
export async function isFree(host: string, port: number): Promise<boolean> {
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
