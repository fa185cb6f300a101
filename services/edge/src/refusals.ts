/**
 * The callers that were turned away, for whoever asks why: counted by code, the last few of each destination kept, and
 * a line in the log for each, up to a bound per destination and second (then the count of those left out). A caller
 * that hammers a closed front costs a few numbers, not the disk.
 */
import type { Logger } from '@postern/telemetry';
import type { CallerCause, CallerCode } from './errors.ts';

const lastPerDestinationMax = 16;
const linesPerSecondMax = 20;

/** One caller that was turned away, as `/status` shows it. */
export interface Refusal extends CallerCause {
  at: string;
  trackingId: string;
  caller: string;
}

interface Book {
  last: Refusal[];
  second: number;
  lines: number;
  leftOut: number;
}

/** All refusals of a node. */
export class Refusals {
  readonly #logger: Logger;
  readonly #books = new Map<string, Book>();
  readonly #counts = new Map<CallerCode, number>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** How often each code was given since the start. */
  get counts(): ReadonlyMap<CallerCode, number> {
    return this.#counts;
  }

  /** Writes one down. `message` says in a few words what happened to the caller. */
  add(destinationId: string, trackingId: string, caller: string, cause: CallerCause, message: string): void {
    this.#counts.set(cause.code, (this.#counts.get(cause.code) ?? 0) + 1);
    const book = this.#book(destinationId);
    book.last.push({ at: new Date().toISOString(), trackingId, caller, ...cause });
    if (book.last.length > lastPerDestinationMax) book.last.shift();
    const leftOut = lineDue(book);
    if (leftOut === null) return;
    const { code, text, end, rule } = cause;
    this.#logger.warn(
      { destinationId, trackingId, caller, code, end, rule, ...(leftOut > 0 ? { leftOut } : {}) },
      `${message}: ${text}`,
    );
  }

  /** The last of a destination, newest last. */
  last(destinationId: string): readonly Refusal[] {
    return this.#books.get(destinationId)?.last ?? [];
  }

  /** The destination is gone. */
  forget(destinationId: string): void {
    this.#books.delete(destinationId);
  }

  #book(destinationId: string): Book {
    const known = this.#books.get(destinationId);
    if (known !== undefined) return known;
    const book: Book = { last: [], second: 0, lines: 0, leftOut: 0 };
    this.#books.set(destinationId, book);
    return book;
  }
}

/** Null when this second has its lines; else how many lines were left out since the last one. */
function lineDue(book: Book): number | null {
  const second = Math.floor(performance.now() / 1000);
  if (second !== book.second) {
    book.second = second;
    book.lines = 0;
  }
  if (book.lines >= linesPerSecondMax) {
    book.leftOut += 1;
    return null;
  }
  book.lines += 1;
  const leftOut = book.leftOut;
  book.leftOut = 0;
  return leftOut;
}
