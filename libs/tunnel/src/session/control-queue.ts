/**
 * Control frames that wait to be sent. They are counted by what they take of memory, not by their bytes alone: a peer that
 * asks and does not read the answers has hundreds of thousands of short ones wait. What one session has beyond one write is
 * taken from a room that the sessions of all gateways share, or many of them would have as much as one may, each.
 */
import { Fifo } from '../memory/fifo.ts';
import { bufferBytes, type ScopeRoom } from '../memory/scope-room.ts';

/** Who shares the room; asked for each frame, since it is known only when the handshake is over. */
export interface ControlRoom {
  readonly room: ScopeRoom;
  readonly scope: string;
}

interface Waiting {
  readonly frame: Buffer;
  /** What it was taken from, and has to be given back to. */
  readonly from: ControlRoom | null;
  readonly passedOn: ControlRoom | null;
}

/** One per session. */
export class ControlQueue {
  readonly #floorBytes: number;
  readonly #waiting = new Fifo<Waiting>();
  #bytes = 0;

  /** Up to `floorBytes` are nobody's but this session's. */
  constructor(floorBytes: number) {
    this.#floorBytes = floorBytes;
  }

  get length(): number {
    return this.#waiting.length;
  }

  /** What they take of memory. */
  get bytes(): number {
    return this.#bytes;
  }

  /** `passedOn`: what was taken for it besides. Returns false where the room is used up; it waits nevertheless. */
  push(frame: Buffer, { room, scope }: ControlRoom, passedOn: ControlRoom | null = null): boolean {
    this.#bytes += frame.length + bufferBytes;
    const isTaken = this.#bytes > this.#floorBytes && room.take(scope, frame);
    this.#waiting.push({ frame, from: isTaken ? { room, scope } : null, passedOn });
    return isTaken || this.#bytes <= this.#floorBytes;
  }

  shift(): Buffer | undefined {
    const next = this.#waiting.shift();
    if (next === undefined) return undefined;
    const { frame } = next;
    this.#bytes -= frame.length + bufferBytes;
    for (const from of [next.from, next.passedOn]) from?.room.give(from.scope, frame);
    return frame;
  }
}
