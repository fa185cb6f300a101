/** One row of the table of faults, in the output of the test that made it. */
import type { TestContext } from 'node:test';

/** What was done to the platform, and what came of it. */
export interface FaultRow {
  readonly fault: string;
  /** Calls, or streams, that were under way or made meanwhile. */
  readonly done: number;
  readonly failed: number;
  /** The longest that anybody waited. */
  readonly recoveredMs: number;
}

/** Shows the row. */
export function report(t: TestContext, { fault, done, failed, recoveredMs }: FaultRow): void {
  t.diagnostic(`| ${fault} | ${done} done | ${failed} failed | ${Math.round(recoveredMs)} ms |`);
}
