/**
 * Whether a replica of an owner takes part in the queue of its questions. One that alone cannot read its documents would
 * answer its share of them with failures, so it stands aside for those that can, which it knows by their beats:
 *
 *              own documents not read for 3 s, another replica beats
 *   takes part ───────────────────────────────────────────────────────► stands aside
 *        ▲      own documents read, or no other replica beats                │
 *        └───────────────────────────────────────────────────────────────────┘
 *
 * With the database gone for all of them each goes on to say so, which tells more than nobody's answer. Two never stand aside
 * for each other: a beat is only of a replica that has just read.
 */
import type { Bus, Subscription } from '@postern/bus';
import type { Clock } from './clock.ts';

/** So long without a read of its own documents a replica counts as cut off from them. */
export const unreadMsMax = 3_000;
/** A beat is of another replica when it is younger than this while the own read is older than that. */
const heardMsMax = 2_000;

/** One replica's. Its `serve` is that of the bus, in a queue for as long as it takes part. */
export class Attendance implements Pick<Bus, 'serve'> {
  readonly #bus: Pick<Bus, 'serve'>;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #places = new Set<{ open(): void; leave(): void }>();
  #readAt: number;
  #heardAt = -Infinity;
  #takesPart = true;

  constructor(bus: Pick<Bus, 'serve'>, clock: Pick<Clock, 'now'>) {
    this.#bus = bus;
    this.#clock = clock;
    this.#readAt = clock.now();
  }

  serve(...[subject, handler, options]: Parameters<Bus['serve']>): Subscription {
    if (options?.queue === undefined) return this.#bus.serve(subject, handler, options);
    let current: Subscription | null = null;
    const place = {
      open: () => (current ??= this.#bus.serve(subject, handler, options)),
      leave: () => {
        current?.close();
        current = null;
      },
    };
    this.#places.add(place);
    if (this.#takesPart) place.open();
    return {
      close: () => {
        this.#places.delete(place);
        place.leave();
      },
    };
  }

  /** The own documents were read. */
  handleRead(): void {
    this.#readAt = this.#clock.now();
    this.look();
  }

  /** A replica has beaten, perhaps this one. */
  handleBeat(): void {
    this.#heardAt = this.#clock.now();
  }

  /** Stands aside, or takes part again; to be called now and then. */
  look(): void {
    const now = this.#clock.now();
    const takesPart = now - this.#readAt <= unreadMsMax || now - this.#heardAt >= heardMsMax;
    if (takesPart === this.#takesPart) return;
    this.#takesPart = takesPart;
    for (const place of this.#places) {
      if (takesPart) place.open();
      else place.leave();
    }
  }
}
