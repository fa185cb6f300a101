/**
 * One worker as the supervisor sees it: a process that is started, tells of itself over a channel, ends, and is started
 * again. The channel is also how a worker learns that its supervisor is gone: it drains then, so that it never stands in
 * the way of the next supervisor's workers.
 *
 *     start ──► running ──died, or silent: SIGKILL──► waiting (backoff) ──► running …
 *                  └── stop: SIGTERM, SIGKILL when late ──► ended
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { Compile } from 'typebox/compile';
import { Type } from 'typebox';
import type { Logger, Readiness } from '@postern/telemetry';
import { Backoff } from './backoff.ts';
import { Silence } from './silence.ts';

const lookEveryMs = 1_000;

/** What a worker tells, each time that it changes and once a second. */
const wordSchema = Type.Object({
  ready: Type.Boolean(),
  waitingFor: Type.Array(Type.String()),
});

const word = Compile(wordSchema);

/** How a worker's process ended. */
export interface WorkerEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** As one that was asked to ends. */
const inOrder: WorkerEnd = { code: 0, signal: null };
/** As one ends that never was. */
const notStarted: WorkerEnd = { code: null, signal: null };

/** What it needs to run its worker. */
export interface WorkerProcessParts {
  readonly worker: number;
  readonly command: string;
  readonly args: readonly string[];
  readonly logger: Logger;
  /** How often it is looked whether it has said a word; each second unless given. */
  readonly lookEveryMs?: number;
  /** It has ended without being asked; false when it is not to be started again. */
  onDied(end: WorkerEnd, wasReady: boolean): boolean;
}

/** One worker over all its processes. */
export class WorkerProcess {
  readonly worker: number;
  readonly #parts: WorkerProcessParts;
  readonly #backoff = new Backoff();
  #child: ChildProcess | null = null;
  #ended: Promise<WorkerEnd> = Promise.resolve(inOrder);
  #word: Readiness = { ready: false, waitingFor: ['start'] };
  #restartTimer: NodeJS.Timeout | undefined;
  #restarts = 0;
  #stopping = false;
  /** In any of its processes. */
  #wasReady = false;

  constructor(parts: WorkerProcessParts) {
    this.worker = parts.worker;
    this.#parts = parts;
  }

  get ready(): boolean {
    return this.#child !== null && this.#word.ready;
  }

  get restarts(): number {
    return this.#restarts;
  }

  get status(): { worker: number; pid: number | null; restarts: number } & Readiness {
    const { worker } = this;
    return { worker, pid: this.#child?.pid ?? null, restarts: this.#restarts, ...this.#word };
  }

  start(): void {
    this.#backoff.started();
    this.#word = { ready: false, waitingFor: ['start'] };
    this.#ended = this.#run();
    void this.#ended.then((end) => this.#handleEnd(end));
  }

  /** Asks it to drain, kills it when it has not ended in time; resolves with how it ended. Idempotent. */
  async stop(withinMs: number): Promise<WorkerEnd> {
    this.#stopping = true;
    clearTimeout(this.#restartTimer);
    this.#child?.kill('SIGTERM');
    const timer = setTimeout(() => this.#child?.kill('SIGKILL'), withinMs);
    const end = await this.#ended;
    clearTimeout(timer);
    return end;
  }

  /** Starts a process; resolves with how it ended. */
  #run(): Promise<WorkerEnd> {
    const { command, args, worker, logger } = this.#parts;
    const { promise, resolve } = Promise.withResolvers<WorkerEnd>();
    const handleError = (error: unknown): void =>
      logger.error({ worker, error }, 'a worker cannot be started or signalled');
    try {
      // A group of its own: what a terminal sends to the supervisor reaches a worker once, from there.
      const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], detached: true });
      this.#child = child;
      logger.info({ worker, workerPid: child.pid }, 'a worker is started');
      const silence = new Silence();
      child.on('message', (message) => {
        if (this.#child === child && this.#handleMessage(message)) silence.handleWord();
      });
      const timer = setInterval(() => this.#look(child, silence), this.#parts.lookEveryMs ?? lookEveryMs);
      void promise.then(() => clearInterval(timer));
      child.once('error', (error) => {
        handleError(error);
        if (child.pid === undefined) resolve(notStarted);
      });
      child.once('exit', (code, signal) => resolve({ code, signal }));
    } catch (error) {
      // Some of what keeps a program from being started is thrown (ENOTDIR), some is an event.
      handleError(error);
      resolve(notStarted);
    }
    return promise;
  }

  /** One that is frozen neither serves nor ends, and the kernel goes on to deal it connections. */
  #look(child: ChildProcess, silence: Silence): void {
    if (!silence.look()) return;
    const { worker, logger } = this.#parts;
    logger.error({ worker, workerPid: child.pid }, 'a worker has not said a word for too long; it is killed');
    child.kill('SIGKILL');
  }

  /** Whether it is a word. */
  #handleMessage(message: unknown): boolean {
    if (!word.Check(message)) return false;
    this.#word = message;
    this.#wasReady ||= message.ready;
    return true;
  }

  #handleEnd(end: WorkerEnd): void {
    const { worker, logger } = this.#parts;
    this.#child = null;
    this.#word = { ready: false, waitingFor: ['restart'] };
    if (this.#stopping) {
      logger.info({ worker, ...end }, 'a worker has ended');
      return;
    }
    if (!this.#parts.onDied(end, this.#wasReady)) return;
    // Until then there is nothing that could end otherwise.
    this.#ended = Promise.resolve(inOrder);
    const afterMs = this.#backoff.next();
    logger.error({ worker, ...end, afterMs }, 'a worker has died; it is started again');
    this.#restarts += 1;
    this.#restartTimer = setTimeout(() => this.start(), afterMs);
  }
}
