/**
 * What a `main.ts` calls once its settings are read: the process side of a program's life. SIGTERM and SIGINT drain, a
 * second one ends at once; an error that nobody caught is logged and ends with 70, because the state behind it is unknown,
 * or with its own code where it is an `ExitError`.
 */
import process from 'node:process';
import { ExitCode } from '@postern/config';
import { ExitError } from './exit-error.ts';
import { watchFiles } from './file-watch.ts';
import { type Ending, Life } from './life.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import { OpsServer } from './ops-server.ts';
import type { Service } from './service.ts';

/** What runs, and on which ops port. */
export interface RunOptions {
  name: string;
  version?: string;
  logger: Logger;
  /** The parts in the order of their start. May be made late, with the handle that ends the program. */
  parts: readonly Service[] | ((ending: Ending) => readonly Service[] | Promise<readonly Service[]>);
  /** Without it there is no ops port. */
  ops?: { host: string; port: number; metrics?: Metrics };
  /** All parts have started; not yet that all are ready. */
  onRunning?: (ops: OpsServer | null) => void;
  stopTimeoutMs?: number;
}

/** Runs the program until it is asked to stop, then ends the process with the code that says how it went. */
export async function runProgram(options: RunOptions): Promise<never> {
  const { logger, name, version, ops: opsOptions } = options;
  const life = new Life({
    logger,
    ...(options.stopTimeoutMs === undefined ? {} : { stopTimeoutMs: options.stopTimeoutMs }),
  });
  handleSignals(life, logger);
  handleUncaught(logger);
  watchFiles(logger);
  // First to start and last to stop: health and status are wanted most while the rest comes and goes.
  const ops: OpsServer | null =
    opsOptions === undefined
      ? null
      : new OpsServer({
          name,
          logger,
          host: opsOptions.host,
          port: opsOptions.port,
          parts: () => life.parts.filter((part) => part !== ops),
          ready: () => life.ready(),
          ...(version === undefined ? {} : { version }),
          ...(opsOptions.metrics === undefined ? {} : { metrics: opsOptions.metrics }),
        });
  const parts = await buildParts(options, life);
  const exitCode = await life.run([...(ops === null ? [] : [ops]), ...parts], () => options.onRunning?.(ops));
  logger.info({ subsystem: 'life', exitCode }, 'stopped');
  process.exit(exitCode);
}

async function buildParts(options: RunOptions, life: Life): Promise<readonly Service[]> {
  try {
    return typeof options.parts === 'function' ? await options.parts(life) : options.parts;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    options.logger.fatal({ subsystem: 'life', error }, `the program could not be put together: ${why}`);
    process.exit(error instanceof ExitError ? error.exitCode : ExitCode.internal);
  }
}

function handleSignals(life: Life, logger: Logger): void {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (life.signal.aborted) {
        logger.warn({ subsystem: 'life', signal }, 'asked to stop again: ending at once');
        process.exit(ExitCode.ok);
      }
      life.end(ExitCode.ok, signal);
    });
  }
  // Whoever read stdout has gone; that is no reason to cut connections.
  process.stdout.on('error', (error) => logger.debug({ subsystem: 'life', error }, 'stdout is closed'));
}

function handleUncaught(logger: Logger): void {
  const end = (error: unknown, text: string): never => {
    try {
      logger.fatal({ subsystem: 'life', error }, text);
    } finally {
      // Not to be told is no reason to go on.
      process.exit(error instanceof ExitError ? error.exitCode : ExitCode.internal);
    }
  };
  process.on('uncaughtException', (error) => end(error, 'an error that nobody caught'));
  process.on('unhandledRejection', (error) => end(error, 'a rejection that nobody caught'));
}
