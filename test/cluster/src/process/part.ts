/**
 * A process that the harness started: a server, a service, a client. It is ready when it says so itself; it is
 * stopped, killed and started again by its pid, never by its name; and it ends with the harness (guard.ts).
 *
 *   start() ──► running ──ready──► resolves          kill(signal), stop() ──► ended ──start()──► running
 *                  └─ ended or silent too long ──► rejects with the last lines of its log
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { compileCacheFolder } from '@postern/scripts/install';
import { forgetGroup, guardGroup } from './guard.ts';
import { Output, type OutputLine } from './output.ts';
import { untilAccepted, untilServed } from './readiness.ts';

/** How a process is started, and how it says that it is ready. */
export interface PartOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Added to the harness' environment, from which every `POSTERN_` variable is taken out. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly folder?: string;
  readonly logFile: string;
  readonly ready: Readiness;
  readonly readyWithinMs?: number;
  readonly stopSignal?: NodeJS.Signals;
  readonly stopWithinMs?: number;
  /** Whom it runs as, where it refuses to run as root. */
  readonly user?: { readonly uid: number; readonly gid: number };
}

/** A line that it writes, an address that answers 200, one that accepts, or nothing to wait for. */
export type Readiness =
  | { readonly line: RegExp }
  | { readonly url: string }
  | { readonly host: string; readonly port: number }
  | null;

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

type Child = ChildProcessByStdio<null, Readable, Readable>;

/** One process of the harness, across its restarts. */
export class Part implements AsyncDisposable {
  readonly options: PartOptions;
  readonly output: Output;
  #child: Child | null = null;
  #exit: Promise<Exit> = Promise.resolve({ code: null, signal: null });
  /** As `#exit`, once all that it wrote has been read. */
  #closed: Promise<Exit> = this.#exit;
  #readyLine = '';
  #pid = 0;

  constructor(options: PartOptions) {
    this.options = options;
    this.output = new Output(options.logFile);
  }

  get name(): string {
    return this.options.name;
  }

  /** The pid, of the last process when it has ended; 0 before the first start. */
  get pid(): number {
    return this.#pid;
  }

  get isRunning(): boolean {
    return this.#child !== null;
  }

  /** The line that said that it is ready; empty when readiness is another. */
  get readyLine(): string {
    return this.#readyLine;
  }

  /** Resolves when the process has ended, however that came. */
  get exited(): Promise<Exit> {
    return this.#exit;
  }

  /** Starts it and resolves when it is ready. */
  async start(): Promise<this> {
    if (this.#child !== null) throw new Error(`${this.name} is running already`);
    const { command, args, environment, folder, user } = this.options;
    const child = spawn(command, args, {
      cwd: folder,
      env: { ...cleanEnvironment(), ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      ...user,
    });
    this.#child = child;
    this.#pid = child.pid ?? 0;
    if (child.pid !== undefined) guardGroup(child.pid);
    this.output.take(child.stdout, 'stdout');
    this.output.take(child.stderr, 'stderr');
    this.#closed = new Promise((resolve) => {
      child.once('close', (code, signal) => resolve({ code, signal }));
    });
    this.#exit = this.#watch(child);
    await this.#untilReady();
    return this;
  }

  /** Sends a signal. SIGKILL goes to the whole process group, as a machine's death would. */
  kill(signal: NodeJS.Signals): void {
    if (this.#child === null || this.#pid === 0) return;
    sendSignal(signal === 'SIGKILL' ? -this.#pid : this.#pid, signal);
  }

  /** Asks it to end and waits; kills it when it does not. */
  async stop(): Promise<Exit> {
    if (this.#child === null) return this.#exit;
    this.kill(this.options.stopSignal ?? 'SIGTERM');
    const timer = setTimeout(() => this.kill('SIGKILL'), this.options.stopWithinMs ?? 20_000);
    const exit = await this.#exit;
    clearTimeout(timer);
    return exit;
  }

  /** Starts it again after it ended or was killed, with all that it had. */
  async restart(): Promise<this> {
    await this.stop();
    return this.start();
  }

  /** Resolves with the first line from now on that matches; rejects when the process ends first. */
  line(pattern: RegExp, withinMs = 30_000): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        unlisten();
      };
      const fail = (why: string): void => {
        end();
        reject(this.failure(why));
      };
      const timer = setTimeout(() => fail(`did not write ${pattern} within ${withinMs} ms`), withinMs);
      const unlisten = this.output.onLine(({ text }: OutputLine) => {
        const match = pattern.exec(text);
        if (match === null) return;
        end();
        resolve(match);
      });
      void this.#closed.then((exit) => fail(`ended (${describeExit(exit)}) before it wrote ${pattern}`));
    });
  }

  /** An error that shows the end of the log. */
  failure(why: string): Error {
    return new Error(`${this.name} ${why}\n--- ${this.output.path}\n${this.output.tail}\n---`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #watch(child: Child): Promise<Exit> {
    return new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null): void => {
        if (this.#child === child) this.#child = null;
        if (child.pid !== undefined) endGroup(child.pid);
        resolve({ code, signal });
      };
      child.once('error', (error) => {
        this.output.note(`could not be started: ${error.message}`);
        end(null, null);
      });
      child.once('exit', end);
    });
  }

  async #untilReady(): Promise<void> {
    const { ready, readyWithinMs = 120_000 } = this.options;
    try {
      if (ready === null) return;
      if ('line' in ready) this.#readyLine = (await this.line(ready.line, readyWithinMs)).input;
      else if ('url' in ready) await untilServed(ready.url, this, readyWithinMs);
      else await untilAccepted(ready.host, ready.port, this, readyWithinMs);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }
}

/** Makes a part and starts it. */
export function startPart(options: PartOptions): Promise<Part> {
  return new Part(options).start();
}

/**
 * Settings of the one who runs the tests must not leak into what is tested.
 */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(POSTERN_|NODE_TEST_)/.test(name));
  return { ...Object.fromEntries(kept), NODE_COMPILE_CACHE: compileCacheFolder() };
}

/** What a dead process leaves of its group (workers, sessions) goes with it. */
function endGroup(pid: number): void {
  sendSignal(-pid, 'SIGKILL');
  forgetGroup(pid);
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function describeExit({ code, signal }: Exit): string {
  return signal ?? (code === null ? 'never started' : `code ${code}`);
}
