/**
 * What was read on a caller's HTTP/1.1 connection and cannot be taken yet: a head that is not whole, or what came behind
 * a request. Single bytes cost no more than all at once, neither in copies nor in looking for the head's end; nor do
 * they give a head more time.
 */
import { Gathered, type HeadLimits, findHeadEnd } from '@postern/http';

const carriageReturn = 0x0d;

/** Of one connection. `join`, then `hold` what is left, then `settle`. */
export class HeldBytes {
  #gathered: Gathered | null = null;
  #isHeld = false;
  /** How many bytes of a head have been looked through. */
  #headBytes = 0;
  #headSince: number | null = null;

  /** Whether there are any. */
  get any(): boolean {
    return this.#isHeld;
  }

  /** When the first byte of a head came that is not whole; null where there is none. */
  get headSince(): number | null {
    return this.#headSince;
  }

  /** What was held and `fresh` behind it: `fresh` itself where nothing was held. Nothing is held from now on. */
  join(fresh: Buffer): Buffer {
    this.#isHeld = false;
    return this.#gathered === null ? fresh : this.#gathered.add(fresh);
  }

  /** Where the head ends that begins at `from` of what was joined; -1 where more is to come, and then it is held. */
  headEnd(bytes: Buffer, from: number, limits: HeadLimits): number {
    const end = findHeadEnd(bytes, from, limits, from === 0 ? this.#headBytes : 0);
    this.#headBytes = end < 0 ? bytes.length - from : 0;
    if (end >= 0) this.#headSince = null;
    else if (from < bytes.length) this.holdHead(bytes, from);
    return end;
  }

  /** Holds what may be the beginning of a head. */
  holdHead(bytes: Buffer, from: number): void {
    this.hold(bytes, from);
    // A lone CR may be half of an empty line, with which no head begins.
    if (bytes.length - from === 1 && bytes[from] === carriageReturn) return;
    this.#headSince ??= performance.now();
  }

  /** Holds what was joined from `from` on. */
  hold(bytes: Buffer, from: number): void {
    this.#isHeld = true;
    if (this.#gathered === null || from > 0) this.#gathered = new Gathered(Buffer.from(bytes.subarray(from)));
  }

  /** What was joined is needed no longer. */
  settle(): void {
    if (!this.#isHeld) this.#gathered = null;
  }

  /** Hands out what is held, null for nothing. */
  take(): Buffer | null {
    const bytes = this.#isHeld ? (this.#gathered?.all ?? null) : null;
    this.#isHeld = false;
    this.#gathered = null;
    return bytes;
  }
}
