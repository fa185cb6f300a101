// The resource that the bench's own load generators talk to, a process of its own. The first byte of a
// connection says what it is for:
//
//     e   echo: every byte comes back, the first one too
//     s   sink that never reads again: what a stuck program looks like from outside
//     p   source: sends for ever, as fast as it is let
//
//     node endpoint.ts PORT

import { createServer, type Socket } from 'node:net';

const connectionsMax = 25_000;
const block = Buffer.alloc(64 * 1024);

const server = createServer({ noDelay: true, allowHalfOpen: false, highWaterMark: 64 * 1024 }, (socket) => {
  socket.on('error', () => socket.destroy());
  socket.once('data', (first: Buffer) => serve(socket, first));
});
server.maxConnections = connectionsMax;
server.listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096 });

function serve(socket: Socket, first: Buffer): void {
  switch (String.fromCharCode(first[0] ?? 0)) {
    case 'e':
      socket.write(first);
      socket.pipe(socket);
      return;
    case 's':
      socket.pause();
      return;
    case 'p':
      fill(socket);
      socket.on('drain', () => fill(socket));
      return;
    default:
      socket.destroy();
  }
}

function fill(socket: Socket): void {
  while (!socket.destroyed && socket.write(block));
}
