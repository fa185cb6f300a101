import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { rootFolder } from '../root.ts';
import { countTests } from './counts.ts';
import { inTurns } from './in-turns.ts';
import { type StepResult, runStep, skipStep } from './run-step.ts';
import { type Step, aloneNames, listSteps, selectSteps, waitingNames } from './step.ts';
import { summarize } from './summary.ts';

const step: Step = {
  name: 'sample',
  command: 'true',
  timeoutMs: 60_000,
  needs: [],
  alone: false,
  waits: false,
  countsTests: true,
};

async function run(
  t: TestContext,
  overrides: Partial<Step>,
  signal = new AbortController().signal,
): Promise<StepResult> {
  const logFolder = await mkdtemp(join(tmpdir(), 'postern-scripts-'));
  t.after(() => rm(logFolder, { recursive: true }));
  return runStep({ ...step, ...overrides }, { root: rootFolder, logFolder, signal, onHeartbeat: () => {} });
}

test('the counts are those of the closing summary', () => {
  const output =
    'ℹ pass 99\n✔ x\nℹ tests 9\nℹ suites 0\nℹ pass 5\nℹ fail 1\nℹ cancelled 1\nℹ skipped 2\nℹ todo 0\n';
  assert.deepEqual(countTests(output), { passed: 5, failed: 2, skipped: 2 });
});

test('a step that fails without a failed test counts as one failure', () => {
  const failed: StepResult = {
    ...skipStep(step, '', ''),
    outcome: 'failed',
    counts: { passed: 3, failed: 0, skipped: 1 },
  };
  assert.equal(summarize([failed]).split('\n').at(-1), '3 passed, 1 failed, 1 skipped');
});

test('the rows of faults that tests show stand in one table before the closing line', async (t) => {
  const row = '| a node killed | 2 done | 0 failed | 31 ms |';
  const result = await run(t, { command: `echo '  ℹ ${row}'; echo '    ${row}'; echo '| no row |'` });
  assert.deepEqual(result.faultRows, [row, row]);
  assert.deepEqual(summarize([result]).split('\n').slice(-4, -2), [row, row]);
});

test('why a step failed stands at the end, before the closing line, without the calls inside node', async (t) => {
  const failing = `x\\n✖ failing tests:\\n\\n✖ a rule (3 ms)\\n  Error: not so\\n      at test.ts:1\\n      at async Test.run (node:internal:1)\\n`;
  const failed = await run(t, { command: `printf '${failing}'; exit 1` });
  assert.deepEqual(failed.reasons, ['✖ a rule (3 ms)', '  Error: not so', '      at test.ts:1']);
  assert.deepEqual(summarize([failed]).split('\n').slice(1, -2), [
    '',
    '──── why sample failed',
    ...failed.reasons,
  ]);
  const passed = await run(t, { command: 'echo well' });
  assert.deepEqual(passed.reasons, []);
  const other = await run(t, { command: 'seq 100; exit 1' });
  assert.deepEqual([other.reasons.length, other.reasons.at(-1)], [30, '100']);
});

test('a step that was not run because of another counts as a failure', () => {
  assert.equal(
    summarize([skipStep(step, 'services', '')])
      .split('\n')
      .at(-1),
    '0 passed, 1 failed, 0 skipped',
  );
});

test('a step’s output is kept in its log, and its exit code decides', async (t) => {
  const good = await run(t, { command: 'echo "ℹ pass 2"; echo to-stderr >&2' });
  assert.equal(good.outcome, 'passed');
  assert.equal(good.counts.passed, 2);
  assert.match(await readFile(good.logFile, 'utf8'), /to-stderr/);
  assert.equal((await run(t, { command: 'exit 3' })).outcome, 'failed');
});

test('a step past its time limit is ended with all that it started', async (t) => {
  const late = await run(t, { command: 'sleep 1000 & sleep 1000', timeoutMs: 20 });
  assert.equal(late.outcome, 'failed');
  assert.match(late.note, /took longer/);
});

test('a process that a step left behind does not keep it from ending', async (t) => {
  assert.equal((await run(t, { command: 'sleep 1000 & exit 0' })).outcome, 'passed');
});

test('an interrupted step ends', async (t) => {
  const abort = new AbortController();
  const running = run(t, { command: 'sleep 1000' }, abort.signal);
  abort.abort();
  assert.equal((await running).outcome, 'failed');
});

test('steps run on the Node of this tree', async (t) => {
  const result = await run(t, { command: 'node --version' });
  assert.equal((await readFile(result.logFile, 'utf8')).trim(), process.version);
});

test('no two steps have one name, or the log of one would be written over by the other', () => {
  const names = listSteps(rootFolder).map(({ name }) => name);
  assert.deepEqual([...new Set(names)], names);
});

test('a name selects a step or a folder of them, with what they need', () => {
  const steps: Step[] = ['types', 'unit', 'services', 'e2e/a', 'e2e/b'].map((name) => ({
    ...step,
    name,
    needs: name.startsWith('e2e') ? ['services'] : [],
  }));
  const names = (only: string[], from: string | null = null) =>
    selectSteps(steps, { only, from }).map((one) => one.name);
  assert.deepEqual(names(['e2e']), ['services', 'e2e/a', 'e2e/b']);
  assert.deepEqual(names(['e2e/b']), ['services', 'e2e/b']);
  assert.deepEqual(names(['unit']), ['unit']);
  assert.deepEqual(names([], 'services'), ['services', 'e2e/a', 'e2e/b']);
  assert.throws(() => names(['nonsense']), /there is no step nonsense/);
});

test('the cheap steps come first', () => {
  const names = listSteps(rootFolder).map((one) => one.name.replace(/^system\/.*/, 'system'));
  assert.deepEqual([...new Set(names)].slice(0, 7), [
    'types',
    'lint',
    'dead',
    'docs',
    'unit',
    'system',
    'services',
  ]);
});

/** Steps by letter: a capital is to be alone, `w` and those after it wait. Starts them; each ends when it is told. */
function startInTurns(letters: string): { finish: (name: string) => Promise<string>; work: Promise<void> } {
  const events: string[] = [];
  const steps = letters.split('').map((name) => ({ name, alone: name < 'a', waits: name >= 'w' }));
  const ends = new Map(steps.map(({ name }) => [name, Promise.withResolvers<void>()]));
  const work = inTurns(
    steps,
    () => false,
    async ({ name }) => {
      events.push(`+${name}`);
      await ends.get(name)?.promise;
      events.push(`-${name}`);
    },
  );
  const finish = async (name: string): Promise<string> => {
    ends.get(name)?.resolve();
    await setImmediate();
    return events.splice(0).join(' ');
  };
  return { finish, work };
}

test('steps run as listed, two at a time, and one that asks for the machine has it', async () => {
  const { finish, work } = startInTurns('abCdef');
  assert.equal(await finish('b'), '+a +b -b');
  assert.equal(await finish('a'), '-a +C');
  assert.equal(await finish('C'), '-C +d +e');
  assert.equal(await finish('e'), '-e +f');
  assert.equal(await finish('d'), '-d');
  await finish('f');
  await work;
});

test('one step that mostly waits runs beside two that work, and none beside one that asks for the machine', async () => {
  const { finish, work } = startInTurns('abcwxCdy');
  assert.equal(await finish('b'), '+a +b +w -b +c');
  assert.equal(await finish('w'), '-w +x');
  assert.equal(await finish('a'), '-a');
  assert.equal(await finish('c'), '-c');
  assert.equal(await finish('x'), '-x +C');
  assert.equal(await finish('C'), '-C +d +y');
  await finish('d');
  await finish('y');
  await work;
});

test('no step is started once the run is over', async () => {
  const started: string[] = [];
  const steps = ['a', 'b', 'c'].map((name) => ({ name, alone: true, waits: false }));
  await inTurns(
    steps,
    () => started.length === 2,
    async ({ name }) => void started.push(name),
  );
  assert.deepEqual(started, ['a', 'b']);
});

test('every step that asks for the machine, or is told to wait, is there', () => {
  const names = listSteps(rootFolder).map(({ name }) => name);
  assert.deepEqual(
    [...aloneNames, ...waitingNames].filter((name) => !names.includes(name)),
    [],
  );
});
