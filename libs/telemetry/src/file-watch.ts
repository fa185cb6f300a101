/**
 * Says that the process has no file descriptor left. Who connects then is cut by the system before anything here hears of
 * him, so there may be no other sign of it. Looked at once a second, and told once a minute at most.
 */
import type { Logger } from './logger.ts';
import { openFiles } from './open-files.ts';

const lookMs = 1_000;
const tellMs = 60_000;

/** Looks from when it is made until the process ends. */
export function watchFiles(logger: Logger): void {
  const watch = new FileWatch(logger);
  setInterval(() => watch.look(performance.now()), lookMs).unref();
}

/** One for each process. */
export class FileWatch {
  readonly #logger: Logger;
  readonly #read: typeof openFiles;
  #toldAt = -Infinity;

  constructor(logger: Logger, read = openFiles) {
    this.#logger = logger;
    this.#read = read;
  }

  /** Tells where none is left. */
  look(now: number): void {
    const files = this.#read();
    if (files === null || files.open < files.max || now - this.#toldAt < tellMs) return;
    this.#toldAt = now;
    this.#logger.error(
      { subsystem: 'files', open: files.open },
      'no file descriptor is left (EMFILE), who connects is cut: raise the limit (ulimit -n, LimitNOFILE), or look for who holds them',
    );
  }
}
