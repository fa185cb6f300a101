// The report as Markdown: what is wanted and whether it is met, each group of figures, and how quiet it was.

import { type FigureName, figureNames, figures, groups, groupTitles } from './figure.ts';
import { type Against, judge, type Verdict } from './goal.ts';
import { noisyCores } from './noise.ts';
import type { Report } from './report.ts';
import { bestOfOthers, ours, summarize, type Summary } from './summary.ts';

/** The whole report. */
export function markdown(report: Report): string {
  const summary = summarize(report);
  const { machine, effort } = report;
  const lines = [
    '# Postern beside other tunnels',
    '',
    `${machine.cores} cores (${machine.processor}), ${machine.memoryGiB} GiB, ${machine.system}, TCP ${machine.congestionControl}, ` +
      `Node ${machine.node}; ${report.startedAt}; rounds: ${report.rounds}, ${effort.seconds} s for each load.`,
    '',
    'Each figure is the median over the rounds [least..most]; in bold, how many times as much as the best of the ' +
      'encrypted peers that are not Postern. Load generators share the machine with the tunnels. ' +
      'Up is from the caller to the resource.',
    '',
    ...goalTable(judge(summary, report.peers)),
    ...groups.flatMap((group) => groupTable(group, summary, report)),
    ...peerTable(report),
  ];
  return `${lines.join('\n')}\n`;
}

/** A number with three or so digits. */
export function readable(value: number): string {
  const size = Math.abs(value);
  if (size >= 100) return Math.round(value).toLocaleString('en-US');
  return value.toFixed(size >= 10 ? 1 : size >= 0.1 || size === 0 ? 2 : 3);
}

function goalTable(verdicts: readonly Verdict[]): string[] {
  if (verdicts.every((verdict) => verdict.ours === undefined)) return [];
  const rows = verdicts.map((verdict) => {
    const { title, unit, better, group } = figures[verdict.figure];
    const bound = `${better === 'more' ? '≥' : '≤'} ${verdict.ratio}`;
    const met = verdict.met === undefined ? '–' : verdict.met ? 'yes' : '**no**';
    const against = `${describe(verdict.against)}: ${shown(verdict.theirs)}`;
    const whose = verdict.of === ours ? '' : `${verdict.of}, `;
    return `| ${whose}${group}: ${title}, ${unit} | ${shown(verdict.ours)} | ${against} | ${shown(verdict.reached)} | ${bound} | ${met} |`;
  });
  return [
    '## What is wanted',
    '',
    '| figure | Postern | against | ratio | wanted | met? |',
    '|---|---:|---|---:|---|---|',
    ...rows,
    '',
  ];
}

function describe(against: Against): string {
  switch (against.kind) {
    case 'peer':
      return against.name;
    case 'best':
      return 'best of the others';
    case 'own':
      return `its own ${figures[against.name].title}`;
    case 'value':
      return 'bound';
  }
}

function groupTable(group: (typeof groups)[number], summary: Summary, report: Report): string[] {
  const names = figureNames.filter((name) => figures[name].group === group && summary.has(name));
  if (names.length === 0) return [];
  const headings = names.map(
    (name) => `${figures[name].title}${figures[name].unit ? `, ${figures[name].unit}` : ''}`,
  );
  const rows = Object.keys(report.peers)
    .filter((peer) => names.some((name) => summary.get(name)?.has(peer)))
    .map((peer) => `| ${peer} | ${names.map((name) => cellText(name, peer, summary, report)).join(' | ')} |`);
  const columns = `|---|${'---:|'.repeat(names.length)}`;
  return [`## ${groupTitles[group]}`, '', `| peer | ${headings.join(' | ')} |`, columns, ...rows, ''];
}

function cellText(name: FigureName, peer: string, summary: Summary, report: Report): string {
  const cell = summary.get(name)?.get(peer);
  if (cell === undefined) return '–';
  const range = cell.rounds > 1 ? ` [${readable(cell.least)}..${readable(cell.most)}]` : '';
  const best = bestOfOthers(summary, name, report.peers);
  const ratio = best !== undefined && best > 0 ? ` **${readable(cell.median / best)}**` : '';
  return `${readable(cell.median)}${range}${ratio}`;
}

function peerTable({ peers, entries }: Report): string[] {
  const rows = Object.entries(peers).map(([peer, encryption]) => {
    const mine = entries.filter((entry) => entry.peer === peer);
    const noisy = mine.filter((entry) => entry.noisy).length;
    const errors = [
      ...new Set(mine.flatMap(({ group, error }) => (error === null ? [] : [`${group}: ${oneLine(error)}`]))),
    ];
    const most = Math.max(0, ...mine.map(({ othersCores }) => othersCores));
    const name = peer === ours ? `**${peer}**` : peer;
    return `| ${name} | ${encryption ?? 'none'} | ${readable(most)} | ${noisy} of ${mine.length} | ${errors.join('; ') || 'none'} |`;
  });
  return [
    '## The peers, and how quiet it was',
    '',
    `| peer | encryption | most cores used by others | measurements with over ${noisyCores} | errors |`,
    '|---|---|---:|---:|---|',
    ...rows,
  ];
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll('|', '/');
}

function shown(value: number | undefined): string {
  return value === undefined ? '–' : readable(value);
}
