/** Judges a run: every call that failed needs a fault that excuses it, and some failures have no excuse. */
import type { Spares } from './fault.ts';
import type { Call } from './traffic.ts';
import { entries } from './world.ts';

/** A fault as it was, from its first harm until callers were served again. */
export interface Harm {
  readonly name: string;
  readonly spares: Spares;
  readonly nodes: readonly number[];
  /** What it spares of callers of the other nodes. */
  readonly elsewhere: Spares;
  readonly startedAt: number;
  readonly endedAt: number;
}

/** What a run came to. */
export interface Verdict {
  readonly ok: boolean;
  readonly calls: number;
  readonly bytes: number;
  /** Calls that failed as a fault may make them fail. */
  readonly excused: number;
  /** What must not have happened. */
  readonly faults: readonly string[];
}

/** A caller that was accepted in the moment before the harm may meet it while its stream is being opened. */
const OPENING_MS = 1_000;

/** The verdict over all calls of a run that began at `since`; `others` are failures that are no call's. */
export function judge(
  calls: readonly Call[],
  harms: readonly Harm[],
  others: readonly string[],
  since: number,
): Verdict {
  const failed = calls.filter(({ ok }) => !ok);
  const wrong = failed.filter((call) => !isExcused(call, harms));
  const unserved = entries.filter((entry) => !calls.some((call) => call.ok && call.entry === entry));
  const never = unserved.map((entry) => `no call over ${entry} was ever whole`);
  const faults = [...others, ...never, ...wrong.map((call) => describe(call, since))];
  return {
    ok: faults.length === 0,
    calls: calls.length,
    bytes: calls.reduce((sum, { sent, received }) => sum + sent + received, 0),
    excused: failed.length - wrong.length,
    faults,
  };
}

function isExcused(call: Call, harms: readonly Harm[]): boolean {
  const { cause, node, startedAt, endedAt } = call;
  if (cause === null || cause === 'hung' || cause.includes('other bytes')) return false;
  return harms.some((harm) => {
    if (startedAt > harm.endedAt || endedAt < harm.startedAt) return false;
    switch (harm.nodes.includes(node) ? harm.spares : harm.elsewhere) {
      case 'nothing':
        return true;
      case 'running':
        return startedAt >= harm.startedAt - OPENING_MS && call.received === 0;
      case 'all':
        return false;
    }
  });
}

function describe({ node, entry, cause, sent, received, startedAt, endedAt }: Call, since: number): string {
  const from = `${((startedAt - since) / 1_000).toFixed(1)} s to ${((endedAt - since) / 1_000).toFixed(1)} s`;
  return `a call of node ${node} over ${entry}, ${from}: ${cause} (${sent} bytes sent, ${received} received)`;
}
