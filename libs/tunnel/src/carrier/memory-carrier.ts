/** Two carriers joined in memory, for tests and for standalone's own use. Bytes are copied, and arrive in a later turn. */
import type { Carrier, CarrierEvents } from './carrier.ts';
import { systemClock, type Clock } from '../clock.ts';

/** One end of a pair. */
export class MemoryCarrier implements Carrier {
  readonly transport = 'memory';
  readonly remoteAddress: string;
  readonly #clock: Clock;
  #peer: MemoryCarrier | null = null;
  #events: CarrierEvents | null = null;
  #early: Buffer[] = [];
  #open = true;
  #paused = false;

  constructor(name: string, clock: Clock) {
    this.remoteAddress = name;
    this.#clock = clock;
  }

  join(peer: MemoryCarrier): void {
    this.#peer = peer;
  }

  start(events: CarrierEvents): void {
    // In a later turn, as with sockets: the session is not ready for bytes while it is being made.
    this.#clock.soon(() => {
      this.#events = events;
      this.#giveEarly();
    });
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#giveEarly();
  }

  #giveEarly(): void {
    while (!this.#paused && this.#open) {
      const chunk = this.#early.shift();
      if (chunk === undefined) return;
      this.#events?.handleBytes(chunk);
    }
  }

  write(bytes: Buffer, done: () => void): void {
    const copy = Buffer.from(bytes);
    this.#clock.soon(() => {
      if (this.#open) this.#peer?.receive(copy);
      done();
    });
  }

  /** Hands a chunk to this end's session. */
  receive(chunk: Buffer): void {
    if (!this.#open) return;
    if (this.#events === null || this.#paused) this.#early.push(chunk);
    else this.#events.handleBytes(chunk);
  }

  end(last: Buffer): void {
    const copy = Buffer.from(last);
    this.#clock.soon(() => {
      if (this.#open) this.#peer?.receive(copy);
      this.destroy();
    });
  }

  destroy(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#clock.soon(() => {
      this.#events?.handleClose(null);
      this.#peer?.destroy();
    });
  }
}

/** A joined pair. */
export function memoryCarrierPair(clock: Clock = systemClock): [MemoryCarrier, MemoryCarrier] {
  const left = new MemoryCarrier('memory:left', clock);
  const right = new MemoryCarrier('memory:right', clock);
  left.join(right);
  right.join(left);
  return [left, right];
}
