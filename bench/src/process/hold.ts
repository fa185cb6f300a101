// Opens connections to an echo, one byte there and back on each, and keeps them open without a further byte
// until it is ended. Writes the line `ready` when all are open.
//
//     node hold.ts HOST PORT CONNECTIONS

import { connect } from 'node:net';

const [host, ...numbers] = process.argv.slice(2);
const [port, connections] = numbers.map(Number) as [number, number];
const openingMax = 32;
let opened = 0;
let begun = 0;

function openNext(): void {
  if (begun === connections) return;
  begun++;
  const socket = connect({ port, host, noDelay: true });
  socket.write('e');
  socket.once('data', () => {
    opened++;
    if (opened === connections) process.stdout.write('ready\n');
    openNext();
  });
  socket.once('error', (error) => fail(error.message));
  socket.once('close', () => fail('closed'));
}

function fail(cause: string): never {
  process.stderr.write(`connection ${opened + 1} of ${connections}: ${cause}\n`);
  process.exit(1);
}

for (let index = 0; index < openingMax; index++) openNext();
