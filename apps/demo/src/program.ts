/**
 * A program of the tree as a process of the demo: its log goes to a file, the first line that it writes to stdout says
 * that it is ready. It is in a process group of its own, so that Ctrl-C reaches the demo alone, which stops things in
 * their order.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DemoError } from './errors.ts';

const apps = join(import.meta.dirname, '..', '..');
/** What was compiled at an earlier start; without it each start takes twice as long. */
const compileCache = join(apps, '..', 'node_modules', '.cache', 'node');
const readyWithinMs = 60_000;
const stopWithinMs = 5_000;
const logLinesShown = 3;

/** A running program. */
export interface Program {
  /** The line that said it is ready. */
  readonly line: string;
  /** Resolves when it has ended. */
  readonly ended: Promise<DemoError>;
  stop(): Promise<void>;
}

/** Starts `apps/NAME` and waits for its line. Throws `DEMO_PROGRAM_ENDED` with the end of its log. */
export async function startProgram(
  app: 'standalone' | 'client',
  args: readonly string[],
  logFile: string,
  signal: AbortSignal,
): Promise<Program> {
  const log = openSync(logFile, 'a', 0o600);
  const child = spawn(process.execPath, [join(apps, app, 'src', 'main.ts'), ...args], {
    stdio: ['ignore', 'pipe', log],
    env: ownEnvironment(),
    detached: true,
  });
  closeSync(log);
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  const ended = once(child, 'exit').then(([code, by]) => {
    process.removeListener('exit', kill);
    return endOf(app, (code as number | null) ?? (by as string), logFile);
  });
  try {
    const line = await firstLine(child, ended, signal);
    return { line, ended, stop: () => stop(child, ended) };
  } catch (error) {
    await stop(child, ended);
    throw error;
  }
}

/** Resolves with it; rejects when the program ends before, or takes too long. */
async function firstLine(
  child: ChildProcess,
  ended: Promise<DemoError>,
  signal: AbortSignal,
): Promise<string> {
  if (child.stdout === null) throw new Error('no stdout');
  const lines = createInterface(child.stdout);
  const waited = AbortSignal.any([signal, AbortSignal.timeout(readyWithinMs)]);
  const first = once(lines, 'line', { signal: waited }).then(([line]) => String(line));
  const early = ended.then((error) => Promise.reject(error));
  return Promise.race([first, early]);
}

async function stop(child: ChildProcess, ended: Promise<DemoError>): Promise<void> {
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), stopWithinMs);
  await ended;
  clearTimeout(timer);
}

function endOf(app: string, how: number | string, logFile: string): DemoError {
  const lines = readFileSync(logFile, 'utf8').trim().split('\n').map(messageOf);
  const told = lines.filter((line) => line !== null).slice(-logLinesShown);
  return new DemoError(
    'DEMO_PROGRAM_ENDED',
    [
      `the ${app} has ended (${how}); its log says:`,
      ...told.map((line) => `  ${line}`),
      `  (${logFile})`,
    ].join('\n'),
  );
}

/** The words of a warning or worse. */
function messageOf(line: string): string | null {
  try {
    const { level, msg, error } = JSON.parse(line) as {
      level: string;
      msg: string;
      error?: { message?: string };
    };
    if (level === 'info' || level === 'debug' || level === 'trace') return null;
    return error?.message === undefined ? msg : `${msg}: ${error.message}`;
  } catch {
    return line;
  }
}

/** Neither a proxy of the user's nor settings of another Postern are to stand between the parts of a demo. */
function ownEnvironment(): NodeJS.ProcessEnv {
  const isForeign = (name: string): boolean => /_PROXY$/i.test(name) || name.startsWith('POSTERN_');
  const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => !isForeign(name)));
  return { ...own, NODE_COMPILE_CACHE: compileCache };
}
