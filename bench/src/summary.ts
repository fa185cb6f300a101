// Medians and ranges over the rounds, for each peer and figure.

import { figureNames, type FigureName, figures } from './figure.ts';
import type { Report } from './report.ts';
import { median } from './statistics.ts';

/** A figure of a peer over all rounds. */
export interface Cell {
  readonly median: number;
  readonly least: number;
  readonly most: number;
  readonly rounds: number;
}

/** All cells: by figure, then by peer. */
export type Summary = ReadonlyMap<FigureName, ReadonlyMap<string, Cell>>;

/** Our own name among the peers. */
export const ours = 'postern';

/** Whether a peer is Postern otherwise set up, which is held against Postern alone. */
export function isVariant(peer: string): boolean {
  return peer.startsWith(`${ours}-`);
}

/** Sums a report up. */
export function summarize({ entries, peers }: Report): Summary {
  const rows = figureNames.map((name) => {
    const cells = Object.keys(peers).flatMap((peer) => {
      const values = entries
        .filter((entry) => entry.peer === peer)
        .flatMap(({ figures }) => figures[name] ?? []);
      return values.length === 0 ? [] : [[peer, cellOf(values)] as const];
    });
    return [name, new Map(cells)] as const;
  });
  return new Map(rows.filter(([, cells]) => cells.size > 0));
}

/** The best median of the encrypted peers that are not ours. */
export function bestOfOthers(summary: Summary, name: FigureName, peers: Report['peers']): number | undefined {
  const { better } = figures[name];
  const values = [...(summary.get(name) ?? [])]
    .filter(([peer]) => peer !== ours && !isVariant(peer) && typeof peers[peer] === 'string')
    .map(([, cell]) => cell.median);
  if (values.length === 0 || better === null) return undefined;
  return better === 'more' ? Math.max(...values) : Math.min(...values);
}

function cellOf(values: readonly number[]): Cell {
  return {
    median: median(values),
    least: Math.min(...values),
    most: Math.max(...values),
    rounds: values.length,
  };
}
