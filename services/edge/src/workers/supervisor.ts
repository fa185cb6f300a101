/**
 * The workers of one machine: starts each as a process of this program, starts those again that die, and ends them
 * together. It carries no connection and holds no key; callers do not notice when it is busy or gone.
 *
 * A worker that says by its exit code that it never can run (bad usage or settings, refused) ends all of them with that
 * code. The machine is ready while one of its workers is: the kernel deals new connections to those that listen.
 */
import { createServer } from 'node:net';
import { once } from 'node:events';
import { ExitCode } from '@postern/config';
import { ExitError, type Ending, type Logger, type Readiness, type Service } from '@postern/telemetry';
import type { EdgeSettings } from '../config.ts';
import { workerStopMsMax } from '../stop-time.ts';
import { type WorkerEnd, WorkerProcess } from './worker-process.ts';
import { assertWorkersFit, settingsOfWorker } from './worker-settings.ts';

const hopeless: ReadonlySet<number | null> = new Set([
  ExitCode.usage,
  ExitCode.refused,
  ExitCode.configuration,
]);

/** What it needs of the program. */
export interface SupervisorParts {
  settings: EdgeSettings;
  /** What this program was started with: Node and the way to its own file, then its arguments. */
  command: readonly [node: string, ...args: string[]];
  ending: Ending;
  logger: Logger;
}

/** All workers, as the one part of a supervising program. */
export class Supervisor implements Service {
  readonly name = 'workers';
  readonly #parts: SupervisorParts;
  readonly #workers: readonly WorkerProcess[];

  constructor(parts: SupervisorParts) {
    this.#parts = parts;
    const { settings, command, logger } = parts;
    const [node, ...args] = command;
    const numbers = Array.from({ length: settings.workers }, (_, index) => index + 1);
    // All workers' settings are looked at here, so that bad ones are told once and nothing is started.
    assertWorkersFit(settings);
    this.#workers = numbers.map(
      (worker) =>
        new WorkerProcess({
          worker,
          command: node,
          args: [...args, '--worker', String(worker)],
          logger,
          onDied: (end, wasReady) => this.#handleDied(worker, end, wasReady),
        }),
    );
  }

  /** How many workers are ready, and how many are not. */
  get counts(): { ready: number; waiting: number } {
    const ready = this.#workers.filter((worker) => worker.ready).length;
    return { ready, waiting: this.#workers.length - ready };
  }

  /** How often workers were started again. */
  get restarts(): number {
    return this.#workers.reduce((sum, { restarts }) => sum + restarts, 0);
  }

  async start(): Promise<void> {
    await assertPortsCanBeShared();
    for (const worker of this.#workers) worker.start();
  }

  ready(): Readiness {
    return this.counts.ready > 0
      ? { ready: true, waitingFor: [] }
      : { ready: false, waitingFor: ['workers'] };
  }

  status(): unknown {
    return this.#workers.map(({ status }) => {
      const { name, opsPort } = settingsOfWorker(this.#parts.settings, status.worker);
      return { node: name, opsPort, ...status };
    });
  }

  async stop(): Promise<void> {
    const withinMs = workerStopMsMax(this.#parts.settings);
    const ends = await Promise.all(this.#workers.map((worker) => worker.stop(withinMs)));
    // One that has loaded takes SIGTERM as a question; it ends one that has not, which has nothing to bring in order.
    const failed = ends.filter(
      ({ code, signal }) => (signal !== null && signal !== 'SIGTERM') || code === ExitCode.internal,
    ).length;
    if (failed > 0) throw new Error(`${failed} of ${ends.length} workers did not end in order`);
  }

  #handleDied(worker: number, { code }: WorkerEnd, wasReady: boolean): boolean {
    if (this.#parts.ending.signal.aborted) return false;
    // One that ran before is kept up: a file that was spoilt meanwhile must not take the others down.
    if (wasReady || !hopeless.has(code)) return true;
    this.#parts.ending.end(code as ExitCode, `worker ${worker} cannot run`);
    return false;
  }
}

/** Where the system cannot share a port between processes, nothing is started. */
async function assertPortsCanBeShared(): Promise<void> {
  const probe = createServer();
  probe.listen({ host: '127.0.0.1', port: 0, reusePort: true });
  try {
    await once(probe, 'listening');
  } catch (cause) {
    const text = 'this system does not share ports between processes (SO_REUSEPORT): workers must be 1';
    throw new ExitError(ExitCode.configuration, text, { cause });
  } finally {
    if (probe.listening) probe.close();
  }
}
