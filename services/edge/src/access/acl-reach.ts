/**
 * Whether acl can be asked at present, told from its beats: each of its replicas beats the stored revision of the
 * policies once a second, so silence means that acl, its store or the bus is away. Only then does a reserve ticket count.
 */
import type { Bus, Subscription } from '@postern/bus';
import { policyFeed } from '@postern/contracts';

const silenceMsMax = 5_000;

/** Listens for acl. */
export class AclReach {
  readonly #bus: Bus;
  readonly #now: () => number;
  #heardAt: number;
  #subscription: Subscription | null = null;

  constructor(bus: Bus, now: () => number = () => performance.now()) {
    this.#bus = bus;
    this.#now = now;
    // Until it has had the time to beat, acl counts as there.
    this.#heardAt = now();
  }

  get inReach(): boolean {
    return this.#bus.connected && this.#now() - this.#heardAt < silenceMsMax;
  }

  start(): void {
    const heard = () => {
      this.#heardAt = this.#now();
    };
    // A beat that does not fit the schema is a beat all the same.
    this.#subscription ??= this.#bus.subscribe(policyFeed.beat.subject, heard);
  }

  stop(): void {
    this.#subscription?.close();
    this.#subscription = null;
  }
}
