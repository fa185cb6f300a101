/** Ports where none is set: of the shared ones those that everybody knows for root where nobody has them, else others. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, isIPv6 } from 'node:net';

const isRoot = process.getuid?.() === 0;

/** The connect port: 443 for root where it is free, else 8443. */
export async function chooseConnectPort(host: string): Promise<number> {
  return isRoot && (await isFree(host, 443)) ? 443 : 8443;
}

/** The port of plain HTTP: 80 for root, 8080 for all others, any where that is taken. Nobody need know it beforehand. */
export async function chooseHttpPort(host: string): Promise<number> {
  const preferred = isRoot ? 80 : 8080;
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

/** Whether a front of this machine could be there now. */
export async function isFrontPortFree(
  host: string,
  transport: 'tcp' | 'udp',
  port: number,
): Promise<boolean> {
  if (transport === 'tcp') return isFree(host, port);
  const socket = createSocket({ type: isIPv6(host) ? 'udp6' : 'udp4' });
  try {
    socket.bind({ address: host, port, exclusive: true });
    await once(socket, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    socket.close();
  }
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
