// What Postern wants to reach, in the same run on the same machine: each row a figure, what it is held against,
// and the bound of the ratio of the two.

import { type FigureName, figureNames, figures } from './figure.ts';
import type { Report } from './report.ts';
import { bestOfOthers, isVariant, ours, type Summary } from './summary.ts';

/** What a figure is held against. */
export type Against =
  | { readonly kind: 'peer'; readonly name: string }
  | { readonly kind: 'best' }
  | { readonly kind: 'own'; readonly name: FigureName }
  | { readonly kind: 'value'; readonly value: number };

/** One row: ours divided by the other must be at least, or at most, `ratio`, as the figure's better way is. */
export interface Goal {
  readonly figure: FigureName;
  /** Postern, or a variant of it. */
  readonly of: string;
  readonly against: Against;
  readonly ratio: number;
}

/** A row with what was measured. */
export interface Verdict extends Goal {
  readonly ours: number | undefined;
  readonly theirs: number | undefined;
  readonly reached: number | undefined;
  readonly met: boolean | undefined;
}

const haproxy: Against = { kind: 'peer', name: 'haproxy' };
const stunnel: Against = { kind: 'peer', name: 'stunnel' };
/** The window of a stream at its largest, kept at both ends. */
const windowMegabytes = (2 * 64 * 2 ** 20) / 1e6;

/** What telemetry, and a second worker, may cost or must bring. */
const overheadMax = 0.05;
const secondWorker = 1.6;

/** All rows. */
export const goals: readonly Goal[] = [
  ...(['bytes-1-up', 'bytes-1-down', 'bytes-8-up', 'bytes-8-down'] as const).map((figure) =>
    row(figure, haproxy, 1),
  ),
  ...(['cpu-1-up', 'cpu-1-down', 'cpu-8-up', 'cpu-8-down'] as const).map((figure) => row(figure, haproxy, 1)),
  row('requests', haproxy, 1.2),
  row('requests-p99', { kind: 'best' }, 0.5),
  row('connections', { kind: 'peer', name: 'ssh' }, 1),
  row('tls-requests', { kind: 'best' }, 1.2),
  ...(['tls-bytes', 'tls-new', 'tls-resumed'] as const).map((figure) => row(figure, { kind: 'best' }, 0.9)),
  row('web-requests', { kind: 'best' }, 1.2),
  row('web-bytes', { kind: 'best' }, 0.9),
  row('ping-p50', stunnel, 1.4),
  ...(['ping-up-p50', 'ping-up-p99', 'ping-down-p50', 'ping-down-p99'] as const).map((figure) =>
    row(figure, stunnel, 1),
  ),
  row('distance-up', haproxy, 1.2),
  row('distance-down', haproxy, 1.2),
  ...(['other', 'hop'] as const).flatMap((place) => [
    row(`${place}-up`, { kind: 'own', name: 'own-up' }, 0.7),
    row(`${place}-down`, { kind: 'own', name: 'own-down' }, 0.7),
    row(`${place}-requests`, { kind: 'own', name: 'own-requests' }, 0.7),
  ]),
  row('stream-edge', haproxy, 1),
  row('stream-client', haproxy, 1),
  row('tunnel-edge', { kind: 'value', value: 80 }, 1),
  // Unchanged, as far as two measurements of the same thing are the same here.
  row('stalled-up-p50', { kind: 'own', name: 'stalled-before-p50' }, 1.25),
  row('stalled-down-p50', { kind: 'own', name: 'stalled-before-p50' }, 1.25),
  row('stalled-up-growth', { kind: 'value', value: windowMegabytes }, 1),
  row('stalled-down-growth', { kind: 'value', value: windowMegabytes }, 1),
  row('idle-streams-edge', { kind: 'value', value: 25 }, 1),
  row('idle-tunnels-edge', { kind: 'value', value: 80 }, 1),
  ...overhead('postern-traced', ours),
  ...(['bytes-8-up', 'bytes-8-down', 'requests', 'connections'] as const).map((figure) => ({
    ...row(figure, { kind: 'peer', name: 'postern-1-worker' }, secondWorker),
    of: 'postern-2-workers',
  })),
];

/** Holds the goals of measured groups against a summary. */
export function judge(summary: Summary, peers: Report['peers']): Verdict[] {
  return goals
    .filter((goal) => isAsked(goal, summary))
    .map((goal) => {
      const mine = summary.get(goal.figure)?.get(goal.of)?.median;
      const theirs = valueOf(goal, summary, peers);
      const reached = mine === undefined || theirs === undefined || theirs === 0 ? undefined : mine / theirs;
      return {
        ...goal,
        ours: mine,
        theirs,
        reached,
        met: reached === undefined ? undefined : isMet(goal, reached),
      };
    });
}

/** Where ours was measured, and the variant of it that it is held against. */
function isAsked({ figure, of, against }: Goal, summary: Summary): boolean {
  const measured = summary.get(figure);
  if (measured?.has(of) !== true) return false;
  return against.kind !== 'peer' || !isVariant(against.name) || measured.has(against.name);
}

function valueOf({ figure, against }: Goal, summary: Summary, peers: Report['peers']): number | undefined {
  switch (against.kind) {
    case 'peer':
      return summary.get(figure)?.get(against.name)?.median;
    case 'best':
      return bestOfOthers(summary, figure, peers);
    case 'own':
      return summary.get(against.name)?.get(ours)?.median;
    case 'value':
      return against.value;
  }
}

function isMet({ figure, ratio }: Goal, reached: number): boolean {
  return figures[figure].better === 'more' ? reached >= ratio : reached <= ratio;
}

function row(figure: FigureName, against: Against, ratio: number): Goal {
  return { figure, of: ours, against, ratio };
}

/** What one costs beside the other: bytes, requests and connections a second, and the CPU time of each. */
function overhead(of: string, name: string): Goal[] {
  const wanted = figureNames.filter((figure) => /^(bytes-|cpu-|(requests|connections)(-cpu)?$)/.test(figure));
  return wanted.map((figure) => {
    const ratio = figures[figure].better === 'more' ? 1 - overheadMax : 1 + overheadMax;
    return { figure, of, against: { kind: 'peer', name }, ratio };
  });
}
