/**
 * What comes again and again: that a server does not allow what a node announces every second, or does not take the
 * credentials of a service that tries on until it does; messages that are not of this platform. Each is told once a minute,
 * and so many at most.
 */

/** Most texts that are told in a minute; a service has fewer subjects, but replies have a subject each. */
const textsMax = 100;
const againMs = 60_000;

/** What was told of one connection lately. */
export class Repeats {
  readonly #now: () => number;
  readonly #told = new Set<string>();
  #since = -Infinity;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Whether a text is to be told; it is then taken as told. */
  isNew(text: string): boolean {
    if (this.#now() - this.#since >= againMs) {
      this.#told.clear();
      this.#since = this.#now();
    }
    if (this.#told.has(text) || this.#told.size >= textsMax) return false;
    this.#told.add(text);
    return true;
  }
}
