/** Whether a connection is up, who wants to know, and who waits for it. */
import type { Subscription } from './bus.ts';

/** A flag that calls back when it changes. */
export class ConnectionState {
  readonly #handlers = new Set<(connected: boolean) => void>();
  readonly #waiting = new Set<() => void>();
  #connected: boolean;

  constructor(connected: boolean) {
    this.#connected = connected;
  }

  get connected(): boolean {
    return this.#connected;
  }

  set(connected: boolean): void {
    if (connected === this.#connected) return;
    this.#connected = connected;
    for (const handler of this.#handlers) handler(connected);
    if (!connected) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const go of waiting) go();
  }

  /**
   * Calls `go` now, or once the connection is up; the returned function takes that back. Pending requests use
   * it and take it back when they end, so their bound is its bound.
   */
  whenConnected(go: () => void): () => void {
    if (this.#connected) go();
    else this.#waiting.add(go);
    return () => void this.#waiting.delete(go);
  }

  onChange(handler: (connected: boolean) => void): Subscription {
    this.#handlers.add(handler);
    return { close: () => void this.#handlers.delete(handler) };
  }
}
