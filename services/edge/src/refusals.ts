/**
 * The callers that were turned away, for whoever asks why: counted by code, the last few of each destination kept, and
 * a line in the log for each, up to a bound per destination and second. A caller that hammers a closed front costs a
 * few numbers, not the disk.
 */
import { LineLimit, type Logger, type TraceSpan } from '@postern/telemetry';
import type { CallerCause, CallerCode } from './errors.ts';

const lastPerDestinationMax = 16;
const linesPerSecondMax = 20;
const destinationsMax = 10_000;

/** One caller that was turned away, as `/status` shows it. */
export interface Refusal extends CallerCause {
  at: string;
  trackingId: string;
  caller: string;
}

interface Book {
  last: Refusal[];
  lines: LineLimit;
}

/** All refusals of a node. */
export class Refusals {
  readonly #logger: Logger;
  readonly #books = new Map<string, Book>();
  readonly #counts = new Map<CallerCode, number>();
  readonly #strangers = new LineLimit(linesPerSecondMax);

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** How often each code was given since the start. */
  get counts(): ReadonlyMap<CallerCode, number> {
    return this.#counts;
  }

  /** Writes one down. `message` says in a few words what happened to the caller. */
  add(
    destinationId: string,
    trackingId: string,
    caller: string,
    cause: CallerCause,
    message: string,
    trace?: TraceSpan['logFields'],
  ): void {
    this.#counts.set(cause.code, (this.#counts.get(cause.code) ?? 0) + 1);
    const book = this.#book(destinationId);
    book.last.push({ at: new Date().toISOString(), trackingId, caller, ...cause });
    if (book.last.length > lastPerDestinationMax) book.last.shift();
    const more = book.lines.take();
    if (more === null) return;
    const { code, text, end, rule } = cause;
    this.#logger.warn(
      { destinationId, trackingId, ...trace, caller, code, end, rule, ...more },
      `${message}: ${text}`,
    );
  }

  /** Writes down one that no destination could be found for. */
  addStranger(trackingId: string, caller: string, { code, text, end }: CallerCause): void {
    this.#counts.set(code, (this.#counts.get(code) ?? 0) + 1);
    const more = this.#strangers.take();
    if (more === null) return;
    this.#logger.warn({ trackingId, caller, code, end, ...more }, `a connection was turned away: ${text}`);
  }

  /** The last of a destination, newest last. */
  last(destinationId: string): readonly Refusal[] {
    return this.#books.get(destinationId)?.last ?? [];
  }

  /** The destination is gone. A stream of it that ends a moment later may leave a book; the bound takes that. */
  forget(destinationId: string): void {
    this.#books.delete(destinationId);
  }

  #book(destinationId: string): Book {
    const known = this.#books.get(destinationId);
    if (known !== undefined) return known;
    const book: Book = { last: [], lines: new LineLimit(linesPerSecondMax) };
    this.#books.set(destinationId, book);
    if (this.#books.size > destinationsMax) {
      const oldest = this.#books.keys().next();
      if (!oldest.done) this.#books.delete(oldest.value);
    }
    return book;
  }
}
