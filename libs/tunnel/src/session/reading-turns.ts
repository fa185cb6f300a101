/**
 * How much of what peers send is handled in one turn of the event loop. Frames cost by their number: a client that sends
 * ten megabytes a second of the smallest kept its node for a tenth of a second in each turn, and callers of all others
 * waited. So the sessions of one gateway have `workPerTurnMax` together; what lies behind waits for the next turn, and who
 * sent it is not read meanwhile.
 *
 *     carrier ──► decoder, as long as the gateway has some left in this turn
 *        ▲           └──► held ──its turn──► decoder
 *        └──────────── read on when nothing is held
 */
import type { Carrier } from '../carrier/carrier.ts';
import type { Clock } from '../clock.ts';
import type { FrameDecoder } from '../frame/decoder.ts';
import { type Allowance, unlimited } from '../frame/work.ts';
import { Fifo } from '../memory/fifo.ts';
import type { Slab } from '../memory/slab.ts';

/** One or two milliseconds; bulk has 32 frames in a turn. */
const workPerTurnMax = 1_024;
interface Share extends Allowance {
  readonly waiting: Fifo<Reading>;
}

/** One per endpoint. */
export class ReadingTurns {
  readonly #clock: Clock;
  readonly #shares = new Map<string, Share>();
  #isDue = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What a gateway has left in this turn. Not to be kept. */
  of(scope: string): Share {
    const share = this.#shares.get(scope) ?? { left: workPerTurnMax, waiting: new Fifo<Reading>() };
    this.#shares.set(scope, share);
    this.#nextSoon();
    return share;
  }

  #nextSoon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#clock.soon(() => this.#next());
  }

  #next(): void {
    this.#isDue = false;
    for (const [scope, share] of this.#shares) {
      if (share.left === workPerTurnMax) this.#shares.delete(scope);
      share.left = workPerTurnMax;
      while (share.left > 0) {
        const reading = share.waiting.shift();
        if (reading === undefined) break;
        reading.readOn();
      }
    }
  }
}

/** What it needs of its session. */
export interface ReadingParts {
  readonly carrier: Carrier;
  readonly decoder: FrameDecoder;
  readonly turns: ReadingTurns;
  /** Whose turn it takes; null before that is known, when whatever comes is handled at once. */
  readonly scope: () => string | null;
  /** What came cannot be. */
  readonly onError: (error: unknown) => void;
}

/** One per session. */
export class Reading {
  readonly #parts: ReadingParts;
  readonly #held = new Fifo<Buffer>();
  /** How much of the first that is held was handled. */
  #at = 0;
  /** Set when the carrier has ended: nothing comes behind what is held. */
  #onEnd: (() => void) | null = null;
  #isOver = false;

  constructor(parts: ReadingParts) {
    this.#parts = parts;
  }

  /** Handles what has come, now or later. */
  take(chunk: Buffer, slab: Slab | null): void {
    if (this.#held.length > 0) return this.#hold(chunk, slab);
    const scope = this.#parts.scope();
    const share = scope === null ? null : this.#parts.turns.of(scope);
    const taken = this.#decode(chunk, slab, share ?? unlimited);
    if (share === null || taken === chunk.length || this.#isOver) return;
    this.#hold(chunk.subarray(taken), slab);
    this.#parts.carrier.pause();
    share.waiting.push(this);
  }

  /** It is this session's turn. */
  readOn(): void {
    const scope = this.#parts.scope();
    if (this.#isOver || scope === null) return;
    const share = this.#parts.turns.of(scope);
    if (!this.#decodeHeld(share)) {
      if (!this.#isOver) share.waiting.push(this);
    } else if (this.#onEnd === null) this.#parts.carrier.resume();
    else this.#onEnd();
  }

  /** The carrier has ended: `onEnd` is called when what it brought before has had its turns. */
  finish(onEnd: () => void): void {
    if (this.#held.length === 0) onEnd();
    else this.#onEnd = onEnd;
  }

  /** Lets go of what is held. */
  close(): void {
    this.#isOver = true;
    this.#held.clear();
  }

  #hold(bytes: Buffer, slab: Slab | null): void {
    this.#held.push(slab === null ? bytes : Buffer.from(bytes));
  }

  /** Returns whether nothing is left. */
  #decodeHeld(allowance: Allowance): boolean {
    for (let piece = this.#held.first; piece !== undefined; piece = this.#held.first) {
      this.#at += this.#decode(piece.subarray(this.#at), null, allowance);
      if (this.#isOver || this.#at < piece.length) return false;
      this.#held.shift();
      this.#at = 0;
    }
    return true;
  }

  #decode(chunk: Buffer, slab: Slab | null, allowance: Allowance): number {
    try {
      return this.#parts.decoder.push(chunk, slab, allowance);
    } catch (error) {
      this.#parts.onError(error);
      return chunk.length;
    }
  }
}
