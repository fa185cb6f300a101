/**
 * Memory that may be promised. A budget never hands out more than it has; a child also draws on its parent.
 * Whoever took gives the same amount back, once.
 */
export class Budget {
  readonly bytesMax: number;
  readonly #parent: Budget | null;
  #used = 0;

  constructor(bytesMax: number, parent: Budget | null = null) {
    this.bytesMax = bytesMax;
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

  /** Takes all of it or nothing. */
  take(bytes: number): boolean {
    if (bytes > this.free) return false;
    this.#add(bytes);
    return true;
  }

  /** Takes as much as there is, at most `bytes`, and returns how much. */
  takeUpTo(bytes: number): number {
    const taken = Math.max(0, Math.min(bytes, this.free));
    this.#add(taken);
    return taken;
  }

  give(bytes: number): void {
    this.#add(-bytes);
  }

  #add(bytes: number): void {
    this.#used += bytes;
    this.#parent?.give(-bytes);
  }
}
