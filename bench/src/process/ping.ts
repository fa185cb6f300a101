// Sends one byte at fixed times to an echo, whether or not the former answers have come, and writes the
// percentiles of their ways there and back to stdout as JSON. A byte that does not come back within three
// seconds after the last one was sent is lost, and counts as if it had come then.
//
// The prober costs too: two wake-ups of an event loop for each byte, here and in the echo. What it costs is
// what `direct` shows.
//
//     node ping.ts HOST PORT SECONDS BYTES-PER-SECOND

import { connect } from 'node:net';
import { percentile } from '../statistics.ts';

const [host, ...numbers] = process.argv.slice(2);
const [port, seconds, rate] = numbers.map(Number) as [number, number, number];
const stragglerMs = 3_000;
const count = Math.max(1, Math.round(seconds * rate));
const byte = Buffer.from('x');
const sentAt: bigint[] = [];
const milliseconds: number[] = [];
let timer: NodeJS.Timeout | undefined;

const socket = connect({ port, host, noDelay: true });
socket.once('error', (error) => finish(error.message));
socket.once('close', () => finish('the connection was closed'));
socket.write('e');
socket.once('data', () => {
  socket.on('data', handleAnswers);
  timer = setInterval(sendOne, 1000 / rate);
  setTimeout(finish, seconds * 1000 + stragglerMs);
});

function sendOne(): void {
  sentAt.push(process.hrtime.bigint());
  socket.write(byte);
  if (sentAt.length === count) clearInterval(timer);
}

function handleAnswers(chunk: Buffer): void {
  const now = process.hrtime.bigint();
  for (let index = 0; index < chunk.length; index++) {
    const at = sentAt[milliseconds.length];
    if (at !== undefined) milliseconds.push(Number(now - at) / 1e6);
  }
  if (milliseconds.length === count) finish();
}

function finish(complaint?: string): never {
  if (milliseconds.length === 0) {
    process.stderr.write(`no byte came back: ${complaint ?? 'in time'}\n`);
    process.exit(1);
  }
  const lost = count - milliseconds.length;
  const all = [...milliseconds, ...Array.from({ length: lost }, () => seconds * 1000 + stragglerMs)];
  process.stdout.write(JSON.stringify({ p50: percentile(all, 50), p99: percentile(all, 99), count, lost }));
  process.exit(0);
}
