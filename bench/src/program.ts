// The processes that the bench starts. Each is stopped by its own pid together with what came from it, and
// nothing else ever is: a pid is believed only together with the time at which its process started.

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { descendants, type ProcessStat, readProcesses } from './proc.ts';
import { until } from './until.ts';

/** A command to be run, its arguments, and what its environment has beside ours. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

const outputBytesMax = 16 * 1024 * 1024;
const gracefulStopMs = 3_000;
const running = new Set<Program>();
const brief = new Set<ChildProcess>();

/** A process that runs beside the bench until it is stopped; what it prints goes to a file. */
export class Program {
  readonly name: string;
  readonly logFile: string;
  readonly #child: ChildProcess;
  #failure: Error | null = null;

  constructor(command: Command, logFile: string) {
    this.name = basename(command.file);
    this.logFile = logFile;
    const log = openSync(logFile, 'a', 0o600);
    this.#child = spawn(command.file, command.args, {
      stdio: ['ignore', log, log],
      env: { ...process.env, ...command.environment },
    });
    closeSync(log);
    this.#child.once('error', (error) => (this.#failure = error));
    running.add(this);
  }

  /** 0 when it could not be started. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Throws, with the end of what it printed, when the process is over although nobody stopped it. */
  async assertAlive(): Promise<void> {
    const { exitCode, signalCode } = this.#child;
    if (this.#failure === null && exitCode === null && signalCode === null) return;
    const printed = lastLines(await readFile(this.logFile, 'utf8').catch(() => ''));
    throw new Error(
      `${this.name} ended with ${this.#failure?.message ?? signalCode ?? exitCode}: ${printed}`,
    );
  }

  /** Ends the process and all that came from it: asked first, then killed. */
  async stop(): Promise<void> {
    if (!running.delete(this) || this.pid === 0) return;
    const family = descendants(await readProcesses(), [this.pid]);
    this.#child.kill('SIGTERM');
    const gone = async (): Promise<boolean> => (await alive(family)).length === 0;
    await until(gone, { what: `the end of ${this.name}`, timeoutMs: gracefulStopMs }).catch(async () => {
      for (const { pid } of await alive(family)) killQuietly(pid);
      await until(gone, { what: `the end of ${this.name}`, timeoutMs: gracefulStopMs });
    });
  }
}

/** Ends everything that still runs, so that whoever waits for it fails at once; for the bench's own end. */
export async function stopAllPrograms(): Promise<void> {
  for (const child of brief) child.kill('SIGKILL');
  await Promise.allSettled([...running].map((program) => program.stop()));
}

/** Runs a command to its end and returns what it wrote to stdout; throws on a failure, or when the time is up. */
export function run(command: Command, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command.file, command.args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...command.environment },
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    brief.add(child);
    const output = bounded(child, child.stdout);
    const complaints = bounded(child, child.stderr);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      brief.delete(child);
      if (child.killed && signal === 'SIGKILL')
        return reject(new Error(`${basename(command.file)} was not done within ${timeoutMs / 1e3} s`));
      if (code === 0) return resolve(output());
      reject(
        new Error(
          `${basename(command.file)} ended with ${signal ?? code}: ${lastLines(complaints() || output())}`,
        ),
      );
    });
  });
}

function bounded(child: ChildProcess, stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > outputBytesMax) child.kill('SIGKILL');
    else chunks.push(chunk);
  });
  return () => Buffer.concat(chunks).toString();
}

/** What a program said at its end: the beginnings of its last lines, since a line of a JSON log ends in a stack. */
function lastLines(text: string): string {
  const lines = text.trim().split('\n').slice(-2);
  return lines.map((line) => line.slice(0, 600)).join('\n');
}

async function alive(family: readonly ProcessStat[]): Promise<ProcessStat[]> {
  const now = await readProcesses();
  return now.filter(
    ({ pid, startedAt, state }) =>
      state !== 'Z' && family.some((one) => one.pid === pid && one.startedAt === startedAt),
  );
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself meanwhile.
  }
}
