/** What in-process connections are made on. */
import type { OnError } from './answering.ts';
import { MemoryBus } from './memory-bus.ts';
import { MemorySwitch } from './memory-switch.ts';

/** Stands for a server. */
export class MemoryHub {
  readonly #switch = new MemorySwitch();

  /** A connection of its own: closing or cutting it leaves the others alone. */
  connect(options: { onError?: OnError } = {}): MemoryBus {
    return new MemoryBus(this.#switch, options);
  }
}
