/**
 * The connections of a port at which clients come, until each has its answer or its tunnel, or is over. They are found by
 * the addresses and ports of both ends, which is all that a plain socket and the TLS socket over it have in common.
 */
import type { Socket } from 'node:net';
import type { Pass } from './handshake-gate.ts';
import type { Turn } from './turns.ts';

/** One connection's: its pass at the gate, its turn where it has one, and what its port knows of it. */
export type ConnectionPlace<About> = { pass: Pass; turn: Turn | null; readonly peer: string } & About;

/** Those of one port. */
export class ConnectionPlaces<About extends object> {
  readonly #places = new Map<string, ConnectionPlace<About>>();

  /** Until `leave`, or until the connection is closed. */
  enter(socket: Socket, pass: Pass, about: About): ConnectionPlace<About> {
    const place = { ...about, pass, turn: null, peer: peerOf(socket) };
    this.#places.set(place.peer, place);
    socket.once('close', () => this.leave(place));
    return place;
  }

  /** That of a connection, or of the one that TLS runs over. */
  of(socket: Socket): ConnectionPlace<About> | undefined {
    return this.#places.get(peerOf(socket));
  }

  /** Twice is harmless. The addresses and ports may be those of a newer connection by now, whose place is its own. */
  leave(place: ConnectionPlace<About>): void {
    if (this.#places.get(place.peer) === place) this.#places.delete(place.peer);
    place.pass.leave();
    place.turn?.end();
  }
}

function peerOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
