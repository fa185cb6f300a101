/**
 * Memory that may be promised. A budget never hands out more than it has; a child also draws on its parent.
 * Whoever took gives the same amount back, once.
 *
 *     [ floors, taken whole ─►        free        ◄─ what is above them, at most three eighths ]
 *
 * Who is there to stay has a floor; what is above it has a part that leaves the rest to floors: so that the windows of the
 * first do not refuse the ten thousandth stream of a tunnel.
 */

const aboveShare = 3 / 8;

/** One of them. */
export class Budget {
  readonly bytesMax: number;
  readonly #parent: Budget | null;
  readonly #aboveMax: number;
  #used = 0;
  #above = 0;

  constructor(bytesMax: number, parent: Budget | null = null) {
    this.bytesMax = bytesMax;
    this.#aboveMax = Math.floor(bytesMax * aboveShare);
    this.#parent = parent;
  }

  get used(): number {
    return this.#used;
  }

  /** What can still be taken, here and above. */
  get free(): number {
    const free = this.bytesMax - this.#used;
    return this.#parent === null ? free : Math.min(free, this.#parent.free);
  }

  /** What can still be taken above floors, here and above; `kept` is the part of it that is left to others. */
  spare(kept = 0): number {
    const most = this.#aboveMax * (1 - kept) - this.#above;
    const spare = Math.max(0, Math.min(Math.floor(most), this.bytesMax - this.#used));
    return this.#parent === null ? spare : Math.min(spare, this.#parent.spare(kept));
  }

  /** Takes all of it as a floor, or nothing. */
  take(bytes: number): boolean {
    if (bytes > this.free) return false;
    this.#add(bytes, 0);
    return true;
  }

  /** Takes as much as there is above a floor, at most `bytes`, and returns how much. */
  takeUpTo(bytes: number): number {
    const taken = Math.max(0, Math.min(bytes, this.free));
    this.#add(taken, taken);
    return taken;
  }

  /** Gives back what was taken; `floor` of it as a floor. */
  give(bytes: number, floor = 0): void {
    this.#add(-bytes, floor - bytes);
  }

  #add(bytes: number, above: number): void {
    this.#used += bytes;
    this.#above += above;
    if (this.#parent !== null) this.#parent.#add(bytes, above);
  }
}
