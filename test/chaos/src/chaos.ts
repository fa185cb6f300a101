/**
 * A run: traffic all the time, and beside it two rows of faults, one of tunnels and processes of the data plane, one of
 * the control plane, so that they meet as they will. After each fault callers must be served again within a minute.
 *
 *   traffic   ───────────────────────────────────────────────────────► every byte checked
 *   paths     ──fault──served──pause──fault──served──pause── …
 *   control   ──fault──pause──fault──pause── …
 */
import { passed } from '@postern/test-kit';
import { type Fault, drawControlFault, drawPathFault } from './fault.ts';
import { Random } from './random.ts';
import { callOnAndOn, callOnce } from './traffic.ts';
import { type Harm, type Verdict, judge } from './verdict.ts';
import { type World, makeWorld } from './world.ts';

const CALLERS_PER_NODE = 2;
const PAUSE_MS_MAX = 1_500;
const SERVED_WITHIN_MS = 60_000;

/** How long, on how many workers of each node, of which seed, and who is told. */
export interface ChaosOptions {
  readonly seconds: number;
  readonly workers: number;
  readonly seed: number;
  readonly onLine: (line: string) => void;
  /** Aborted: no more faults, and the verdict on what there was. */
  readonly stop?: AbortSignal;
  /** Where the logs of a run that failed are kept; its times begin with the run, at the clock time told first. */
  readonly logs?: string;
}

/** Runs it on a cluster of its own. */
export async function runChaos(options: ChaosOptions): Promise<Verdict> {
  await using world = await makeWorld(options.workers);
  options.onLine(`begins at ${new Date().toISOString()}`);
  // Awaited here: the world ends with this function.
  const verdict = await new Run(world, options).run();
  if (!verdict.ok && options.logs !== undefined) {
    await world.keepLogs(options.logs);
    options.onLine(`logs are in ${options.logs}`);
  }
  return verdict;
}

class Run {
  readonly #world: World;
  readonly #options: ChaosOptions;
  readonly #harms: Harm[] = [];
  readonly #failures: string[] = [];
  readonly #startedAt = performance.now();

  constructor(world: World, options: ChaosOptions) {
    this.#world = world;
    this.#options = options;
  }

  async run(): Promise<Verdict> {
    const { seconds, seed } = this.#options;
    const random = new Random(seed);
    const over = new AbortController();
    const callers = this.#world.nodes.flatMap((node) => {
      return Array.from({ length: CALLERS_PER_NODE }, () => {
        return callOnAndOn(this.#world, node, random.fork(), over.signal);
      });
    });
    const endAt = this.#startedAt + seconds * 1_000;
    await Promise.all([
      this.#row(random.fork(), (own) => drawPathFault(own, this.#world.edges), endAt),
      this.#row(random.fork(), drawControlFault, endAt),
    ]);
    over.abort();
    const calls = (await Promise.all(callers)).flat();
    return judge(calls, this.#harms, this.#failures, this.#startedAt);
  }

  async #row(random: Random, draw: (random: Random) => Fault, endAt: number): Promise<void> {
    while (performance.now() < endAt && this.#options.stop?.aborted !== true) {
      await this.#suffer(draw(random));
      await passed(random.between(0, PAUSE_MS_MAX));
    }
  }

  async #suffer(fault: Fault): Promise<void> {
    const startedAt = performance.now();
    this.#options.onLine(`${this.#clock()} ${fault.name}`);
    // Listed before it is over: calls may fail meanwhile, and the run may end with it.
    try {
      await fault.harm(this.#world);
      for (const node of fault.nodes) await this.#untilServed(node);
    } catch (error) {
      this.#failures.push(`${fault.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
    const { name, spares, nodes, elsewhere } = fault;
    this.#harms.push({ name, spares, nodes, elsewhere, startedAt, endedAt: performance.now() });
  }

  async #untilServed(node: number): Promise<void> {
    const deadline = performance.now() + SERVED_WITHIN_MS;
    for (;;) {
      const least = { sendBytes: 1, receiveBytes: 1, seed: 1 };
      const { ok, cause } = await callOnce(this.#world, node, 'tcp', least);
      if (ok) return;
      if (performance.now() > deadline) {
        throw new Error(`callers of node ${node} are not served within a minute: ${cause}`);
      }
      await passed(20);
    }
  }

  #clock(): string {
    return `${((performance.now() - this.#startedAt) / 1_000).toFixed(1).padStart(6)} s`;
  }
}

/** A verdict for people. */
export function describeVerdict(verdict: Verdict): string {
  const { ok, calls, bytes, excused, faults } = verdict;
  const figures = `${calls} calls, ${(bytes / 1_048_576).toFixed(0)} MiB, ${excused} turned away or reset by a fault`;
  return [...faults.map((fault) => `✖ ${fault}`), `${ok ? 'passed' : 'FAILED'}: ${figures}`].join('\n');
}
