/** Callers who ask all the time, while something is done to the platform that answers them. */
import { setTimeout as delay } from 'node:timers/promises';
import { hello } from './compose-site.ts';

const pauseMs = 50;
/** How many ask beside each other. */
export const loadLines = 2;

/** A request that had no answer, what was done meanwhile, and what became of it. */
export interface Failure {
  readonly during: string;
  readonly cause: string;
}

/** Requests one after the other on each line, until it is ended. */
export class Load {
  /** What is done meanwhile. */
  during = '';
  readonly #lines: readonly Promise<void>[];
  readonly #failures: Failure[] = [];
  #ending = false;
  #asked = 0;

  constructor(ask: () => Promise<string>) {
    this.#lines = Array.from({ length: loadLines }, () => this.#ask(ask));
  }

  async end(): Promise<{ asked: number; failures: readonly Failure[] }> {
    this.#ending = true;
    await Promise.all(this.#lines);
    return { asked: this.#asked, failures: this.#failures };
  }

  async #ask(ask: () => Promise<string>): Promise<void> {
    while (!this.#ending) {
      this.#asked += 1;
      const cause = await ask();
      if (cause !== hello) this.#failures.push({ during: this.during, cause });
      await delay(pauseMs);
    }
  }
}
