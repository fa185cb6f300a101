/**
 * Tells what keeps a client from its platform without filling the log: at once when the cause is a new one, then once a
 * minute while it stays. Every try is at `debug`.
 */
import type { Logger } from '@postern/telemetry';
import { errorText } from '@postern/dial';

const repeatMs = 60_000;
const causesMax = 16;

/** One for each gateway. */
export class TroubleLog {
  readonly #logger: Logger;
  readonly #now: () => number;
  readonly #toldAt = new Map<string, number>();
  #last = 'nothing was tried';

  constructor(logger: Logger, now: () => number = () => performance.now()) {
    this.#logger = logger;
    this.#now = now;
  }

  /** The last trouble in words. */
  get last(): string {
    return this.#last;
  }

  /** Tells of one failed try. */
  tell(what: string, error: unknown): void {
    const text = `${what}: ${errorText(error)}`;
    this.#last = text;
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    const toldAt = this.#toldAt.get(text);
    if (toldAt !== undefined && this.#now() - toldAt < repeatMs) {
      this.#logger.debug({ code }, text);
      return;
    }
    if (this.#toldAt.size >= causesMax) this.#toldAt.clear();
    this.#toldAt.set(text, this.#now());
    this.#logger.warn({ code }, text);
  }

  /** All is well: the next trouble is told at once. */
  clear(): void {
    this.#toldAt.clear();
  }
}
