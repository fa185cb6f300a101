/**
 * Whose clock is not the database's, as replicas of the owners say in their beats. They answer nothing while another is right,
 * so nothing else would show it; where no other is, tickets, tokens and certificates are of another time.
 */
import type { Bus, Subscription } from '@postern/bus';
import { certificateFeed, listen, policyFeed, routeFeed } from '@postern/contracts';
import { clockText } from '@postern/store';

const owners = { router: routeFeed, acl: policyFeed, certstore: certificateFeed };
/** A replica beats each second. */
const heardMsMax = 3_000;

/** Listens for them until it is closed. */
export class WrongClocks {
  readonly #heard = new Map<string, { clockMs: number; at: number }>();
  readonly #subscriptions: Subscription[];
  readonly #now: () => number;

  constructor(bus: Bus, onError: (error: unknown) => void, now = () => performance.now()) {
    this.#now = now;
    this.#subscriptions = Object.entries(owners).map(([owner, { beat }]) =>
      listen(
        bus,
        beat,
        ({ clockMs }) => {
          if (clockMs !== undefined) this.#heard.set(owner, { clockMs, at: now() });
        },
        onError,
      ),
    );
  }

  /** What to tell of them, a sentence for each owner. */
  get warnings(): string[] {
    const since = this.#now() - heardMsMax;
    return [...this.#heard].flatMap(([owner, { clockMs, at }]) =>
      at < since
        ? []
        : [
            `the clock of a replica of ${owner} is ${clockText(clockMs)}: while another is right it answers nothing, else tickets, tokens and certificates are of another time. Its log says which machine’s it is`,
          ],
    );
  }

  close(): void {
    for (const subscription of this.#subscriptions) subscription.close();
  }
}
