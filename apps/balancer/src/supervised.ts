/**
 * Another program that runs for as long as this one: its words go to the log, and its end is told. It is never started
 * again here; a balancer without one of its parts ends, so that the other machine takes over at once.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { Logger } from '@postern/telemetry';

const lineCharactersMax = 2_000;

/** A program that is running. */
export class Supervised {
  readonly name: string;
  readonly ended: Promise<string>;
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  #running = true;

  constructor(options: { name: string; command: string; args: readonly string[]; logger: Logger }) {
    const { command, args, logger } = options;
    this.name = options.name;
    // A group of its own: what a terminal sends to this program is not sent to that one too.
    this.#child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    for (const stream of [this.#child.stdout, this.#child.stderr]) logLines(stream, logger);
    const { promise, resolve } = Promise.withResolvers<string>();
    this.#child.once('error', (error) => {
      this.#running = false;
      resolve(error.message);
    });
    this.#child.once('exit', (code, signal) => {
      this.#running = false;
      resolve(signal === null ? `exit code ${code}` : signal);
    });
    this.ended = promise;
  }

  get isRunning(): boolean {
    return this.#running;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Nothing happens when it has ended. */
  signal(signal: NodeJS.Signals): void {
    if (this.#running) this.#child.kill(signal);
  }

  /** Asks it to end, and kills it with everything that it started when it has not done so in time. */
  async stop(signal: NodeJS.Signals, withinMs: number): Promise<void> {
    this.signal(signal);
    const timer = setTimeout(() => this.#killGroup(), withinMs);
    await this.ended;
    clearTimeout(timer);
  }

  #killGroup(): void {
    if (!this.#running || this.pid === undefined) return;
    try {
      process.kill(-this.pid, 'SIGKILL');
    } catch {
      this.signal('SIGKILL');
    }
  }
}

function logLines(stream: Readable, logger: Logger): void {
  let rest = '';
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = (lines.pop() ?? '').slice(-lineCharactersMax);
    for (const line of lines) if (line.trim() !== '') logger.info(line.trim().slice(0, lineCharactersMax));
  });
}
