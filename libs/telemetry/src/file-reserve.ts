/**
 * The file descriptors that callers, and streams to resources, leave to the rest of a node or a client. Where a process has
 * none left, its system takes callers and cuts them without a word to anybody; and tunnels, links, the bus and the ops
 * port, which all want one to come back, are out with them. So callers are turned away before, with a code that is counted
 * and logged.
 *
 * What is open is read once a second, and what was taken since is counted on top.
 */
import { openFiles } from './open-files.ts';

const readMs = 1_000;
/** A sixteenth of what there may be, and no more than this. */
const reserveMax = 1_024;

/** What is left for callers and streams; one for each process. */
export class FileReserve {
  readonly #read: typeof openFiles;
  readonly #now: () => number;
  #left = Infinity;
  #readAt = -Infinity;

  constructor(read: typeof openFiles = openFiles, now: () => number = () => performance.now()) {
    this.#read = read;
    this.#now = now;
  }

  /** How many callers and streams may have where nothing else is open. Infinity where the system does not say. */
  get most(): number {
    const files = this.#read();
    return files === null ? Infinity : mayHave(files.max);
  }

  /** Whether there is one, which then counts as taken. Where the system does not say, there always is. */
  take(): boolean {
    const now = this.#now();
    if (now - this.#readAt >= readMs) {
      this.#readAt = now;
      this.#left = leftFor(this.#read());
    }
    if (this.#left <= 0) return false;
    this.#left -= 1;
    return true;
  }
}

function leftFor(files: ReturnType<typeof openFiles>): number {
  if (files === null) return Infinity;
  return mayHave(files.max) - files.open;
}

function mayHave(max: number): number {
  return max - Math.min(reserveMax, Math.floor(max / 16));
}
