/** Callers who ask all the time, while something is done to the platform that answers them. */
import { Agent } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { hello } from './compose-site.ts';

const pauseMs = 50;
const requestsPerConnection = 20;

/** A request that had no answer, what was done meanwhile, and what became of it. */
export interface Failure {
  readonly during: string;
  readonly cause: string;
}

/** How one caller asks. */
export type Ask = () => Promise<string>;

/** Each caller's requests one after the other, until it is ended. */
export class Load {
  /** What is done meanwhile. */
  during = '';
  readonly #lines: readonly Promise<void>[];
  readonly #failures: Failure[] = [];
  #ending = false;
  #asked = 0;

  constructor(callers: readonly Ask[]) {
    this.#lines = callers.map((ask) => this.#ask(ask));
  }

  async end(): Promise<{ asked: number; failures: readonly Failure[] }> {
    this.#ending = true;
    await Promise.all(this.#lines);
    return { asked: this.#asked, failures: this.#failures };
  }

  async #ask(ask: Ask): Promise<void> {
    while (!this.#ending) {
      this.#asked += 1;
      const cause = await ask();
      if (cause !== hello) this.#failures.push({ during: this.during, cause });
      await delay(pauseMs);
    }
  }
}

/** A caller that keeps its connection for some requests before it begins another. */
export function keepingConnections(ask: (agent: Agent) => Promise<string>): Ask {
  let agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let asked = 0;
  return () => {
    asked += 1;
    if (asked % requestsPerConnection === 0) {
      agent.destroy();
      agent = new Agent({ keepAlive: true, maxSockets: 1 });
    }
    return ask(agent);
  };
}
