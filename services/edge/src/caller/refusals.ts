/**
 * The callers that were turned away, for whoever asks why: counted by code, the last few of each destination kept, and
 * a line in the log for each, up to a bound per destination and second. A caller that hammers a closed front costs a
 * few numbers, not the disk.
 */
import { setNewest } from '@postern/share';
import { LineLimit, type Logger, type TraceSpan } from '@postern/telemetry';
import type { CallerCause, CallerCode } from '../errors.ts';
import type { CallerAddress } from '../access/judgement.ts';

const lastPerDestinationMax = 16;
const linesPerSecondMax = 20;
const destinationsMax = 10_000;

/** One caller that was turned away, as `/status` shows it. */
export interface Refusal extends CallerCause {
  at: string;
  trackingId: string;
  caller: string;
}

/** Whom it concerns; `destinationId` is null where none could be found. */
export interface RefusedCaller {
  readonly destinationId: string | null;
  readonly trackingId: string;
  readonly address: CallerAddress;
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
  readonly #strangers = newBook();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** How often each code was given since the start. */
  get counts(): ReadonlyMap<CallerCode, number> {
    return this.#counts;
  }

  /** Writes one down. `message` says in a few words what happened to the caller. */
  add(
    { destinationId, trackingId, address }: RefusedCaller,
    cause: CallerCause,
    message: string,
    trace?: TraceSpan['logFields'],
  ): void {
    const { code, text, end, rule } = cause;
    const caller = `${address.address}:${address.port}`;
    this.#counts.set(code, (this.#counts.get(code) ?? 0) + 1);
    const book = destinationId === null ? this.#strangers : this.#book(destinationId);
    book.last.push({ at: new Date().toISOString(), trackingId, caller, ...cause });
    if (book.last.length > lastPerDestinationMax) book.last.shift();
    const more = book.lines.take();
    if (more === null) return;
    const which = destinationId === null ? {} : { destinationId };
    this.#logger.warn(
      { ...which, trackingId, ...trace, caller, code, end, rule, ...more },
      `${message}: ${text}`,
    );
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
    const book = newBook();
    setNewest(this.#books, destinationId, book, destinationsMax);
    return book;
  }
}

function newBook(): Book {
  return { last: [], lines: new LineLimit(linesPerSecondMax) };
}
