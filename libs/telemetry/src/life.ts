/**
 * The life of a program, apart from the process it runs in: parts start in order, something asks for the end, parts stop
 * in reverse. A part that is started before another may be used by it; so it must outlive it.
 *
 *     starting ──► running ──► stopping ──► ended(code)
 *         └──── end(), or a start fails ──►┘
 */
import { ExitCode } from '@postern/config';
import { ExitError } from './exit-error.ts';
import type { Logger } from './logger.ts';
import type { Readiness, Service } from './service.ts';

/** Where a life stands. */
export type LifeState = 'starting' | 'running' | 'stopping' | 'ended';

/** The most time that all parts together may take to stop, unless a program says otherwise. */
const stopTimeoutMsDefault = 120_000;

/** The handle that parts get to ask for the program's end. */
export interface Ending {
  /** Drains and ends the program with this code; the first call counts. */
  end(exitCode: ExitCode, reason: string): void;
  /** Aborted when the end was asked for. */
  readonly signal: AbortSignal;
}

/** Runs parts once. */
export class Life implements Ending {
  readonly #logger: Logger;
  readonly #stopTimeoutMs: number;
  readonly #asked = Promise.withResolvers<void>();
  readonly #abort = new AbortController();
  readonly #started: Service[] = [];
  #exitCode: ExitCode = ExitCode.ok;
  #state: LifeState = 'starting';

  constructor(options: { logger: Logger; stopTimeoutMs?: number }) {
    this.#logger = options.logger;
    this.#stopTimeoutMs = options.stopTimeoutMs ?? stopTimeoutMsDefault;
  }

  get state(): LifeState {
    return this.#state;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** The parts that run. */
  get parts(): readonly Service[] {
    return this.#started;
  }

  /** Not ready while starting or stopping, whatever the parts say. */
  ready(): Readiness {
    return this.#state === 'running'
      ? { ready: true, waitingFor: [] }
      : { ready: false, waitingFor: [this.#state] };
  }

  end(exitCode: ExitCode, reason: string): void {
    if (this.#abort.signal.aborted) return;
    this.#exitCode = exitCode;
    this.#logger.info({ subsystem: 'life', exitCode, reason }, 'asked to stop');
    this.#abort.abort(new Error(reason));
    this.#asked.resolve();
  }

  /** Starts the parts, waits for the end, stops them; resolves with the exit code. */
  async run(parts: readonly Service[], onRunning?: () => void): Promise<ExitCode> {
    await this.#start(parts);
    if (!this.#abort.signal.aborted) {
      this.#state = 'running';
      this.#logger.info({ subsystem: 'life' }, 'running');
      onRunning?.();
    }
    await this.#asked.promise;
    this.#state = 'stopping';
    await this.#stop();
    this.#state = 'ended';
    return this.#exitCode;
  }

  async #start(parts: readonly Service[]): Promise<void> {
    for (const part of parts) {
      if (this.#abort.signal.aborted) return;
      this.#logger.debug({ subsystem: 'life', part: part.name }, 'starting a part');
      this.#started.push(part);
      try {
        await Promise.race([part.start(), this.#asked.promise]);
      } catch (error) {
        const reason = `${part.name} could not start: ${error instanceof Error ? error.message : String(error)}`;
        this.#logger.fatal({ subsystem: 'life', part: part.name, error }, reason);
        this.end(exitCodeOf(error), reason);
      }
    }
  }

  async #stop(): Promise<void> {
    const { promise: timedOut, resolve } = Promise.withResolvers<'late'>();
    const timer = setTimeout(() => resolve('late'), this.#stopTimeoutMs);
    while (this.#started.length > 0) {
      const part = this.#started.at(-1);
      if (part === undefined) break;
      const outcome = await Promise.race([this.#stopPart(part), timedOut]);
      this.#started.pop();
      if (outcome === 'late') {
        this.#logger.error(
          { subsystem: 'life', part: part.name, stopTimeoutMs: this.#stopTimeoutMs },
          'a part did not stop in time',
        );
        this.#exitCode = ExitCode.internal;
        break;
      }
    }
    clearTimeout(timer);
  }

  async #stopPart(part: Service): Promise<void> {
    try {
      await part.stop();
      this.#logger.debug({ subsystem: 'life', part: part.name }, 'a part stopped');
    } catch (error) {
      this.#logger.error({ subsystem: 'life', part: part.name, error }, 'a part failed to stop');
      this.#exitCode = ExitCode.internal;
    }
  }
}

/** Errors of bus, store and listening that would meet the next start too: they are a matter of how it is started, or with which version. */
const exitCodes: Readonly<Record<string, ExitCode>> = {
  BUS_DENIED: ExitCode.refused,
  BUS_SETTINGS_INVALID: ExitCode.configuration,
  EACCES: ExitCode.configuration,
  EADDRINUSE: ExitCode.configuration,
  EADDRNOTAVAIL: ExitCode.configuration,
  ENOTFOUND: ExitCode.configuration,
  STORE_DOCUMENT_NEWER: ExitCode.configuration,
  STORE_REFUSED: ExitCode.refused,
  STORE_SETTINGS_INVALID: ExitCode.configuration,
};

function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof ExitError) return error.exitCode;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return exitCodes[code] ?? ExitCode.internal;
}
