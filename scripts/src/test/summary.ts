/**
 * What stands at the end of a run: a table of the steps, and the line by which CI judges. A step that failed without a
 * failed test of its own (types, lint, a crash) counts as one failure, so that the line never says 0 for a bad tree.
 */
import { type Counts, sumCounts } from './counts.ts';
import type { StepResult } from './run-step.ts';

/**
 * The table, that of the faults that were made, why steps failed (who reads a long log reads its end), and last and alone
 * `N passed, N failed, N skipped`.
 */
export function summarize(results: readonly StepResult[]): string {
  const width = Math.max(4, ...results.map((result) => result.step.name.length));
  const rows = results.map((result) => {
    const { passed, failed, skipped } = result.counts;
    const tests =
      passed + failed + skipped === 0 ? '' : `${passed} passed, ${failed} failed, ${skipped} skipped`;
    const line = `${result.step.name.padEnd(width)}  ${result.outcome.padEnd(7)}  ${result.seconds.toFixed(1).padStart(7)} s  ${tests}`;
    return `${line}${result.note === '' ? '' : `  (${result.note})`}`.trimEnd();
  });
  const total = judgedCounts(results);
  const faults = results.flatMap(({ faultRows }) => faultRows);
  const table =
    faults.length === 0
      ? []
      : [
          '',
          '| what was broken | calls or streams | of them | longest wait |',
          '|---|---|---|---|',
          ...faults,
        ];
  const reasons = results.flatMap((result) =>
    result.reasons.length === 0 ? [] : ['', `──── why ${result.step.name} failed`, ...result.reasons],
  );
  return [
    ...rows,
    ...table,
    ...reasons,
    '',
    `${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`,
  ].join('\n');
}

/** The counts of the closing line. */
export function judgedCounts(results: readonly StepResult[]): Counts {
  const silent = results.filter((result) => result.outcome !== 'passed' && result.counts.failed === 0).length;
  const sum = sumCounts(results.map((result) => result.counts));
  return { ...sum, failed: sum.failed + silent };
}
