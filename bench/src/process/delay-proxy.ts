// A longer way: passes TCP connections on, each byte after a fixed time in each direction.
//
//     node delay-proxy.ts LISTEN-PORT TO-PORT ONE-WAY-MS
//
// Bytes are kept with the time at which they are due, at most `inFlightBytesMax` for each direction, which at
// 25 ms is 2.5 GB/s; a full queue stops the reading. It is one thread that copies each byte twice, so it takes
// processor time of its own: the figures of `direct` at a distance show the most that it lets through here.
// It adds delay only, no loss and no limit of rate.

import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const inFlightBytesMax = 64 * 1024 * 1024;
const connectionsMax = 4_096;
const [listenPort, toPort, oneWayMs] = process.argv.slice(2).map(Number) as [number, number, number];

interface Parcel {
  readonly dueAt: number;
  /** null: the end. */
  readonly bytes: Buffer | null;
}

const server = createServer(
  { noDelay: true, allowHalfOpen: true, pauseOnConnect: true },
  (near) => void accept(near),
);
server.maxConnections = connectionsMax;
server.listen({ port: listenPort, host: '127.0.0.1', backlog: 4096 });

async function accept(near: Socket): Promise<void> {
  near.on('error', () => near.destroy());
  await sleep(oneWayMs); // The way of the first packet.
  const far = connect({ port: toPort, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
  far.on('error', () => near.resetAndDestroy());
  near.on('close', () => far.destroy());
  far.on('close', () => near.destroy());
  carry(near, far);
  carry(far, near);
}

function carry(from: Socket, to: Socket): void {
  const parcels: Parcel[] = [];
  let bytesInFlight = 0;
  let waiting = false;

  const deliver = (): void => {
    waiting = false;
    const now = performance.now();
    to.cork();
    // A timer fires up to a millisecond late; half of that is taken back here.
    while (parcels[0] && parcels[0].dueAt <= now + 0.5) hand(parcels.shift() as Parcel);
    to.uncork();
    schedule();
  };
  const hand = ({ bytes }: Parcel): void => {
    if (bytes === null) return void to.end();
    // What write() answers is not asked: what is not written yet counts as in flight, and that is bounded.
    to.write(bytes, () => {
      bytesInFlight -= bytes.length;
      if (bytesInFlight < inFlightBytesMax && from.isPaused()) from.resume();
    });
  };
  const schedule = (): void => {
    if (waiting || parcels[0] === undefined) return;
    waiting = true;
    setTimeout(deliver, Math.max(0, parcels[0].dueAt - performance.now()));
  };

  from.on('data', (bytes: Buffer) => {
    parcels.push({ dueAt: performance.now() + oneWayMs, bytes });
    bytesInFlight += bytes.length;
    if (bytesInFlight >= inFlightBytesMax) from.pause();
    schedule();
  });
  from.on('end', () => {
    parcels.push({ dueAt: performance.now() + oneWayMs, bytes: null });
    schedule();
  });
  from.resume();
}
