/** A TCP server in this process that sends back what it gets, and ends when the caller does. */
import { once } from 'node:events';
import { type AddressInfo, type Socket, createServer } from 'node:net';
import type { Resource } from './resource.ts';

/** Resolves when it takes connections. */
export async function startEcho(): Promise<Resource> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  server.listen({ host: '127.0.0.1', port: 0, backlog: 4_096 });
  await once(server, 'listening');
  const stop = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  return {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
