/**
 * The sample application: the private resource of a demo that is given none. A small HTTP server on loopback that says
 * which request reached it, and sends uploads back as they come.
 */
import { once } from 'node:events';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import type { Exposed } from './exposed.ts';

/** A running sample application. */
export interface Sample extends Exposed {
  stop(): void;
}

/** Starts it on a free port. */
export async function startSample(): Promise<Sample> {
  let requests = 0;
  const server: Server = createServer((request, response) => {
    requests += 1;
    void answer(request, response, requests);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { address, port } = server.address() as AddressInfo;
  return {
    host: address,
    port,
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, count: number): Promise<void> {
  const { method = '', url = '', headers, socket } = request;
  if (method === 'POST' || method === 'PUT') {
    response.writeHead(200, { 'content-type': headers['content-type'] ?? 'application/octet-stream' });
    // Whoever uploaded may go away in the middle.
    await pipeline(request, response).catch(() => undefined);
    return;
  }
  response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' });
  response.end(
    [
      'Hello from the private network.',
      `${method} ${url} reached the sample application as its request ${count},`,
      `by way of the client, which dialled from ${socket.remoteAddress}:${socket.remotePort}.`,
      '',
    ].join('\n'),
  );
}
