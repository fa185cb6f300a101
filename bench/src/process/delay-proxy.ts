// A longer way: passes TCP connections on, each byte after a fixed time in each direction.
//
//     node delay-proxy.ts LISTEN-PORT TO-PORT ONE-WAY-MS
//
// Bytes are kept with the time at which they are due, at most `inFlightBytesMax` for each direction, which at
// 25 ms is 2.5 GB/s; a full queue stops the reading. It is one thread and takes processor time of its own, so
// it reads into memory that is used again and writes it as it lies: the figures of `direct` at a distance show
// the most that it lets through here. It adds delay only, no loss and no limit of rate.

import { adoptSocket, connectSocket, readSocket } from '@postern/tunnel';
import { createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const inFlightBytesMax = 64 * 1024 * 1024;
const connectionsMax = 4_096;
const [listenPort, toPort, oneWayMs] = process.argv.slice(2).map(Number) as [number, number, number];

interface Parcel {
  readonly dueAt: number;
  /** null: the end. */
  readonly bytes: Buffer | null;
  readonly handOn: () => void;
}

const server = createServer({ noDelay: true, allowHalfOpen: true, pauseOnConnect: true }, (near) => {
  adoptSocket(near);
  void accept(near);
});
server.maxConnections = connectionsMax;
server.listen({ port: listenPort, host: '127.0.0.1', backlog: 4096 });

async function accept(near: Socket): Promise<void> {
  near.on('error', () => near.destroy());
  await sleep(oneWayMs); // The way of the first packet.
  const far = connectSocket({ port: toPort, host: '127.0.0.1', noDelay: true });
  far.on('error', () => near.resetAndDestroy());
  near.on('close', () => far.destroy());
  far.on('close', () => near.destroy());
  carry(near, far);
  carry(far, near);
}

function carry(from: Socket, to: Socket): void {
  const parcels: Parcel[] = [];
  let head = 0;
  let bytesInFlight = 0;
  let waiting = false;
  let paused = false;

  const deliver = (): void => {
    waiting = false;
    const now = performance.now();
    to.cork();
    // A timer fires up to a millisecond late; half of that is taken back here.
    for (let parcel = parcels[head]; parcel && parcel.dueAt <= now + 0.5; parcel = parcels[head]) {
      head += 1;
      hand(parcel);
    }
    to.uncork();
    parcels.splice(0, head);
    head = 0;
    schedule();
  };
  const hand = ({ bytes, handOn }: Parcel): void => {
    if (bytes === null) return void to.end();
    // What write() answers is not asked: what is not written yet counts as in flight, and that is bounded.
    to.write(bytes, () => {
      handOn();
      bytesInFlight -= bytes.length;
      if (!paused || bytesInFlight >= inFlightBytesMax) return;
      paused = false;
      from.resume();
    });
  };
  const schedule = (): void => {
    const next = parcels[head];
    if (waiting || next === undefined) return;
    waiting = true;
    setTimeout(deliver, Math.max(0, next.dueAt - performance.now()));
  };

  readSocket(from, (bytes, slab) => {
    const kept = slab === null ? Buffer.from(bytes) : bytes;
    parcels.push({ dueAt: performance.now() + oneWayMs, bytes: kept, handOn: () => slab?.release() });
    bytesInFlight += kept.length;
    schedule();
    paused = bytesInFlight >= inFlightBytesMax;
    return !paused;
  });
  from.on('end', () => {
    parcels.push({ dueAt: performance.now() + oneWayMs, bytes: null, handOn: () => {} });
    schedule();
  });
  from.resume();
}
