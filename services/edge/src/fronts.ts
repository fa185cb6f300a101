/**
 * The fronts of this node: one for each on-premises destination that it knows, opened, changed and closed as the routes change, without a
 * restart. Ports that are given up are given up before others are taken, so that a port can pass from one destination
 * to another in one change.
 */
import { type Route, hasFront } from '@postern/contracts';
import { Front, type FrontParts, type FrontState } from './front.ts';

/** All fronts. */
export class Fronts {
  readonly #parts: FrontParts;
  readonly #fronts = new Map<string, Front>();
  #open = false;

  constructor(parts: FrontParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#fronts.size;
  }

  /** The front of a destination. */
  get(destinationId: string): Front | undefined {
    return this.#fronts.get(destinationId);
  }

  /** Opens the fronts of all routes; resolves when each listens or has failed once. */
  async open(routes: Iterable<Route>): Promise<void> {
    this.#open = true;
    for (const route of routes) this.apply(route.id, route);
    await Promise.all([...this.#fronts.values()].map((front) => front.tried));
  }

  /** A destination is new, has changed, or is gone. */
  apply(destinationId: string, route: Route | undefined): void {
    if (!this.#open) return;
    const front = this.#fronts.get(destinationId);
    if (route === undefined || !hasFront(route)) {
      front?.close();
      this.#fronts.delete(destinationId);
    } else if (front === undefined) this.#fronts.set(destinationId, new Front(this.#parts, route));
    else front.update(route);
  }

  /** Whether each listens, and if not why. */
  states(): FrontState[] {
    return [...this.#fronts.values()].map((front) => front.state);
  }

  counts(): { listening: number; failed: number } {
    const listening = this.states().filter((state) => state.listening).length;
    return { listening, failed: this.#fronts.size - listening };
  }

  /** Takes no more callers. Idempotent. */
  close(): void {
    this.#open = false;
    for (const front of this.#fronts.values()) front.close();
  }
}
