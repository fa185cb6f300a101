/**
 * Runs one step in a process group of its own: output goes to a log file outside the tree, its last line is at hand for
 * a heartbeat, and the whole group ends with the step or at its time limit, so that no server of a test is left behind.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { finished } from 'node:stream/promises';
import { compileCacheFolder } from '../install/cache.ts';
import { type Counts, countTests, readFaultRows, readReasons } from './counts.ts';
import type { Step } from './step.ts';

/** How a step ended. */
export interface StepResult {
  readonly step: Step;
  readonly outcome: 'passed' | 'failed' | 'not run';
  readonly seconds: number;
  readonly counts: Counts;
  /** What its tests did to a platform, and what came of it, each a row of a table. */
  readonly faultRows: readonly string[];
  /** Lines that say why it failed, in its own words; none where it passed. */
  readonly reasons: readonly string[];
  /** Why it failed, where the exit code does not say it. */
  readonly note: string;
  readonly logFile: string;
}

const tailBytes = 256 * 1024;
const heartbeatMs = 20_000;
/** What tests get to stop what they started, when they are interrupted. */
const graceMs = 10_000;

/** Runs the step; `onHeartbeat` is told now and then how long it has run and what it said last. */
export async function runStep(
  step: Step,
  options: {
    root: string;
    logFolder: string;
    signal: AbortSignal;
    onHeartbeat: (seconds: number, lastLine: string) => void;
  },
): Promise<StepResult> {
  const startedAt = performance.now();
  const logFile = join(options.logFolder, `${step.name.replaceAll('/', '-')}.log`);
  mkdirSync(options.logFolder, { recursive: true });
  const log = createWriteStream(logFile);
  const child = spawn(step.command, {
    cwd: options.root,
    shell: true,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: stepEnvironment(options.root),
  });
  let tail = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.pipe(log, { end: false });
    stream.on('data', (chunk: string) => {
      tail = (tail + chunk).slice(-tailBytes);
    });
  }
  const seconds = (): number => (performance.now() - startedAt) / 1000;
  const heartbeat = setInterval(() => options.onHeartbeat(seconds(), lastLine(tail)), heartbeatMs);
  const { exitCode, note } = await ending(child, step, options.signal);
  clearInterval(heartbeat);
  log.end();
  await finished(log);
  const counts = step.countsTests ? countTests(tail) : { passed: 0, failed: 0, skipped: 0 };
  const failed = exitCode !== 0 || note !== '' || counts.failed > 0;
  const faultRows = readFaultRows(tail);
  return {
    step,
    outcome: failed ? 'failed' : 'passed',
    seconds: seconds(),
    counts,
    faultRows,
    reasons: failed ? readReasons(tail) : [],
    note,
    logFile,
  };
}

/** A step that needs another which failed: told, never silently left out. */
export function skipStep(step: Step, because: string, logFolder: string): StepResult {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  return {
    step,
    outcome: 'not run',
    seconds: 0,
    counts,
    faultRows: [],
    reasons: [],
    note: `${because} failed`,
    logFile: join(logFolder, 'none'),
  };
}

async function ending(
  child: ChildProcess,
  step: Step,
  signal: AbortSignal,
): Promise<{ exitCode: number | null; note: string }> {
  const { promise, resolve } = Promise.withResolvers<number | null>();
  let note = '';
  let hardStop: NodeJS.Timeout | undefined;
  const stop = (why: string): void => {
    note ||= why;
    killGroup(child, 'SIGTERM');
    hardStop ??= setTimeout(() => killGroup(child, 'SIGKILL'), graceMs);
  };
  const onAbort = (): void => stop('interrupted');
  const timer = setTimeout(() => stop(`took longer than ${step.timeoutMs / 1000} s`), step.timeoutMs);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  child.once('error', (error) => {
    note ||= error.message;
    resolve(null);
  });
  // Not 'close': a server that a test left behind would hold the pipes open for ever.
  child.once('exit', (_code, signalName) => {
    if (signalName !== null) note ||= `ended by ${signalName}`;
    killGroup(child, 'SIGKILL');
  });
  child.once('close', (code) => resolve(code));
  const exitCode = await promise;
  clearTimeout(timer);
  clearTimeout(hardStop);
  signal.removeEventListener('abort', onAbort);
  return { exitCode, note };
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group has ended already.
  }
}

/** The tree's own Node and tools first; no settings of the person's shell, no colours in logs. */
function stepEnvironment(root: string): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('POSTERN_') || /^POSTERN_(TEST|BENCH)_|^POSTERN_CACHE$/.test(name),
  );
  const { NODE_TEST_CONTEXT: _inner, FORCE_COLOR: _colour, ...environment } = Object.fromEntries(kept);
  const path = [dirname(process.execPath), join(root, 'node_modules/.bin'), process.env['PATH'] ?? ''];
  return {
    ...environment,
    NO_COLOR: '1',
    NODE_COMPILE_CACHE: compileCacheFolder(),
    PATH: path.join(delimiter),
  };
}

function lastLine(text: string): string {
  return (text.trimEnd().split('\n').at(-1) ?? '').trim().slice(0, 100);
}
