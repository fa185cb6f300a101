/** A TCP server in this process, for resources that are a few lines of a test's own. */
import { once } from 'node:events';
import { type AddressInfo, type Socket, createServer } from 'node:net';
import type { Resource } from './resource.ts';

/** A resource that tells how many connections are open now. */
export interface TcpServer extends Resource {
  readonly connections: number;
}

/**
 * Starts one on a free port of 127.0.0.1; resolves when it takes connections. Each may be half open and is `serve`'s, but for
 * its errors: whoever reads or writes hears of them there, and they may come when nobody does.
 */
export async function startTcp(serve: (socket: Socket) => void): Promise<TcpServer> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    serve(socket);
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
    get connections() {
      return sockets.size;
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
