/**
 * What the server did not allow. It says so of each message, and a node announces itself every second: all are counted, and
 * of one subject is told once a minute.
 */
import type { PermissionViolationError } from '@nats-io/transport-node';

/** Most subjects that are told of in a minute; a service has fewer, but replies have a subject each. */
const subjectsMax = 100;
const againMs = 60_000;

/** Those of one connection. */
export class Denials {
  /** How many, by what was denied. */
  readonly counts = { publish: 0, subscription: 0 };
  readonly #now: () => number;
  readonly #told = new Set<string>();
  #since = -Infinity;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Counts one, and says whether it is to be told. */
  add({ operation, subject }: Pick<PermissionViolationError, 'operation' | 'subject'>): boolean {
    this.counts[operation] += 1;
    if (this.#now() - this.#since >= againMs) {
      this.#told.clear();
      this.#since = this.#now();
    }
    if (this.#told.has(subject) || this.#told.size >= subjectsMax) return false;
    this.#told.add(subject);
    return true;
  }
}
