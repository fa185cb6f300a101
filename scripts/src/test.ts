/**
 * `pnpm test`: everything that CI checks, in the order of its cost, on the Node of this tree. Each step's output goes to
 * a file outside the tree and is shown when the step fails; the last line is the count by which CI judges.
 */
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { ownArguments } from './arguments.ts';
import { rootFolder } from './root.ts';
import { inTurns } from './test/in-turns.ts';
import { type StepResult, runStep, skipStep } from './test/run-step.ts';
import { type Step, listSteps, selectSteps } from './test/step.ts';
import { judgedCounts, summarize } from './test/summary.ts';

const shownLinesMax = 250;

await new Command('test')
  .description(
    'Checks everything that CI checks: types, lint, dead code, docs, units, then the system tests.',
  )
  .option(
    '--only <name...>',
    'only these steps: types, lint, dead, docs, unit, system, services, e2e, e2e/FILE, chaos …',
  )
  .option('--from <name>', 'this step and those after it')
  .option('--bail', 'stop at the first step that fails')
  .option('--list', 'list the steps')
  .action(main)
  .parseAsync(ownArguments(), { from: 'user' });

async function main(options: {
  only?: string[];
  from?: string;
  bail?: boolean;
  list?: boolean;
}): Promise<void> {
  const steps = choose(options);
  if (options.list === true) return say(steps.map((step) => step.name).join('\n'));
  const abort = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => abort.abort());
  const logFolder = mkdtempSync(join(tmpdir(), 'postern-test-'));
  const done: StepResult[] = [];
  const isOver = (): boolean => {
    return abort.signal.aborted || (options.bail === true && done.some((one) => one.outcome === 'failed'));
  };
  await inTurns(steps, isOver, async (step) => {
    done.push(await perform(step, done, logFolder, abort.signal));
  });
  const results = done.toSorted((one, other) => steps.indexOf(one.step) - steps.indexOf(other.step));
  say(`\nNode ${process.version}, logs in ${logFolder}\n\n${summarize(results)}`);
  process.exitCode = judgedCounts(results).failed === 0 && !abort.signal.aborted ? 0 : 1;
}

function choose(options: { only?: string[]; from?: string }): Step[] {
  try {
    return selectSteps(listSteps(rootFolder), { only: options.only ?? [], from: options.from ?? null });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return process.exit(64);
  }
}

async function perform(
  step: Step,
  done: readonly StepResult[],
  logFolder: string,
  signal: AbortSignal,
): Promise<StepResult> {
  const missing = done.find((one) => one.outcome !== 'passed' && step.needs.includes(one.step.name));
  if (missing !== undefined) {
    say(`– ${step.name}: not run, because ${missing.step.name} failed`);
    return skipStep(step, missing.step.name, logFolder);
  }
  say(`▸ ${step.name}`);
  const result = await runStep(step, {
    root: rootFolder,
    logFolder,
    signal,
    onHeartbeat: (seconds, line) => say(`  … ${step.name}, ${seconds.toFixed(0)} s: ${line}`),
  });
  const tests = result.counts.passed === 0 ? '' : `, ${result.counts.passed} tests passed`;
  say(`${result.outcome === 'passed' ? '✔' : '✖'} ${step.name}, ${result.seconds.toFixed(1)} s${tests}`);
  if (result.outcome === 'failed') showLog(result);
  return result;
}

function showLog(result: StepResult): void {
  const lines = readFileSync(result.logFile, 'utf8').trimEnd().split('\n');
  const left = lines.length - shownLinesMax;
  say(
    `──── ${result.step.name}: ${result.step.command}${left > 0 ? ` (${left} lines before these are in ${result.logFile})` : ''}`,
  );
  say(lines.slice(-shownLinesMax).join('\n'));
  say(`──── ${result.note === '' ? 'failed' : result.note}`);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
