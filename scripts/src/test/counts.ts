/** The counts of node's test runner. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Reads the closing lines of node's spec reporter; cancelled tests did not pass, to-do ones did not run. */
export function countTests(output: string): Counts {
  const read = (word: string): number =>
    Number(new RegExp(`^ℹ ${word} (\\d+)$`, 'gm').exec(closing(output))?.[1] ?? 0);
  return {
    passed: read('pass'),
    failed: read('fail') + read('cancelled'),
    skipped: read('skipped') + read('todo'),
  };
}

/** From the last summary on, so that a test which prints another runner's summary is not counted. */
function closing(output: string): string {
  const start = output.lastIndexOf('\nℹ tests ');
  return start < 0 ? output : output.slice(start);
}

/** All of them together. */
export function sumCounts(all: readonly Counts[]): Counts {
  const sum = (pick: (counts: Counts) => number): number =>
    all.reduce((total, counts) => total + pick(counts), 0);
  return {
    passed: sum((one) => one.passed),
    failed: sum((one) => one.failed),
    skipped: sum((one) => one.skipped),
  };
}

/** The rows of the table of faults that tests have shown: `| fault | done | failed | longest wait |`. */
export function readFaultRows(output: string): string[] {
  return [...output.matchAll(/^\s*(?:ℹ )?(\| .+ \| \d+ done \| \d+ failed \| \d+ ms \|)$/gm)].map(
    ([, row = '']) => row,
  );
}

const reasonLinesMax = 30;

/**
 * Why a step failed, as it says itself: of node's test runner its closing list of failed tests without the calls inside
 * node, of another program its last lines. 30 lines at most.
 */
export function readReasons(output: string): string[] {
  const lines = output.trimEnd().split('\n');
  const start = lines.lastIndexOf('✖ failing tests:');
  if (start < 0) return lines.slice(-reasonLinesMax);
  return lines
    .slice(start + 1)
    .filter((line) => line.trim() !== '' && !/^\s+at .*[( ]node:/.test(line))
    .slice(0, reasonLinesMax);
}
