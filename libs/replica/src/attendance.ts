/**
 * Whether a replica of an owner takes part in the queue of its questions. One that alone cannot read its documents would
 * answer its share of them with failures, and one whose clock is not the database's with tickets and certificates of another
 * time; so it stands aside for those that are well, which it knows by their beats:
 *
 *              own documents not read or own clock off for 3 s, another replica that is well beats
 *   takes part ─────────────────────────────────────────────────────────────────────────────────────► stands aside
 *        ▲      own documents read and own clock right, or no other replica that is well beats            │
 *        └─────────────────────────────────────────────────────────────────────────────────────────────────┘
 *
 * With the database gone for all of them each goes on to say so, which tells more than nobody's answer; with all clocks off
 * it may be the database's that is wrong. Two never stand aside for each other: only beats of those that have just read count,
 * and a replica says in its beat that its clock is off.
 */
import type { Bus, Subscription } from '@postern/bus';
import type { Clock } from './clock.ts';

/** So long after it was last found well a replica is no more. */
export const wellMsMax = 3_000;
/** A beat is of another replica when it is younger than this while this one is not well. */
const heardMsMax = 2_000;

/** One replica's. Its `serve` is that of the bus, in a queue for as long as it takes part. */
export class Attendance implements Pick<Bus, 'serve'> {
  readonly #bus: Pick<Bus, 'serve'>;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #places = new Set<{ open(): void; leave(): void }>();
  #wellAt: number;
  #heardAt: number;
  #takesPart: boolean;

  /** One that begins with a clock that is off first listens whether there are others. */
  constructor(bus: Pick<Bus, 'serve'>, clock: Pick<Clock, 'now'>, isWell: boolean) {
    this.#bus = bus;
    this.#clock = clock;
    this.#wellAt = isWell ? clock.now() : -Infinity;
    this.#heardAt = isWell ? -Infinity : clock.now();
    this.#takesPart = isWell;
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

  /** The own documents were read, and the clock is right. */
  handleWell(): void {
    this.#wellAt = this.#clock.now();
    this.look();
  }

  /** A replica that is well has beaten, perhaps this one. */
  handleBeat(): void {
    this.#heardAt = this.#clock.now();
  }

  /** Stands aside, or takes part again; to be called now and then. */
  look(): void {
    const now = this.#clock.now();
    const takesPart = now - this.#wellAt <= wellMsMax || now - this.#heardAt >= heardMsMax;
    if (takesPart === this.#takesPart) return;
    this.#takesPart = takesPart;
    for (const place of this.#places) {
      if (takesPart) place.open();
      else place.leave();
    }
  }
}
