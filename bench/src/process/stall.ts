// One side of a stalled stream. `push` sends into a sink that never reads, as much as is taken; `hold` asks a
// source to send and never reads itself. Runs until it is ended.
//
//     node stall.ts push|hold HOST PORT

import { connect } from 'node:net';

const [role, host, port] = process.argv.slice(2) as ['push' | 'hold', string, string];
const block = Buffer.alloc(64 * 1024);
// A socket that nobody reads keeps no process alive.
setInterval(() => {}, 60_000);
const socket = connect({ port: Number(port), host, noDelay: true });
socket.pause();
socket.once('error', (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});

if (role === 'hold') {
  socket.write('p');
} else {
  socket.write('s');
  socket.on('drain', push);
  push();
}

function push(): void {
  while (socket.write(block));
}
