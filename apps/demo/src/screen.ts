/** What the demo shows. Colours only where a terminal shows them; what others wrote is shown as plain text. */
import { styleText } from 'node:util';
import { tableOf } from '@postern/cli';
import type { Seen } from './check.ts';
import { addressOf, commandFor } from './exposed.ts';
import type { Reached } from './setup.ts';

const labelWidth = 11;

/** What the user needs to know of a running demo. */
export interface Running {
  readonly reached: readonly Reached[];
  readonly dashboardUrl: string;
  readonly apiKey: string;
  readonly state: string;
  readonly isTemporary: boolean;
}

/** One step that was taken. */
export function showStep(ok: boolean, label: string, text: string): void {
  const mark = ok ? paint('green', '✓') : paint('red', '✗');
  print(`  ${mark} ${label.padEnd(labelWidth)} ${plain(text)}`);
}

/** The name of it all. */
export function showTitle(): void {
  print(`\n${paint('bold', 'Postern')}  a private resource, reached without opening a door\n`);
}

/** The picture, and what to try. */
export function showRunning({ reached, dashboardUrl, apiKey, state, isTemporary }: Running): void {
  print('');
  for (const { front, title, resource } of reached) {
    const way = `caller ──► ${paint('bold', addressOf(front))} ──► edge ══ tunnel ══ client ──► `;
    print(`  ${way}${title === addressOf(resource) ? title : `${title} (${addressOf(resource)})`}`);
  }
  print('');
  for (const { front, resource, exposed } of reached) {
    const tryIt = exposed === null ? `curl http://${addressOf(front)}/hello` : commandFor(resource, front);
    showLine('Try it', paint('bold', tryIt));
  }
  showLine('Dashboard', dashboardUrl);
  showLine('Key', apiKey);
  showLine('State', `${state}${isTemporary ? ' (goes when the demo ends; --state DIR keeps it)' : ''}`);
  print(`\n  Ctrl-C ends all of it.\n`);
}

/** The table of `--once`. */
export function showTable(rows: readonly (Reached & { seen: Seen })[]): void {
  const items = rows.map(({ front, title, seen }) => ({
    front: addressOf(front),
    title,
    result: seen.ok ? 'ok' : 'FAILED',
    seen: seen.text,
  }));
  const table = tableOf(items, { front: 'front', resource: 'title', result: 'result', seen: 'seen' });
  print(`\n${table.replaceAll(/^/gm, '  ')}\n`);
}

/** Why it ends. */
export function showFailure(text: string): void {
  process.stderr.write(`\n${paint('red', 'demo:')} ${text}\n`);
}

function showLine(label: string, text: string): void {
  print(`  ${paint('dim', label.padEnd(labelWidth))}   ${text}`);
}

function plain(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '?');
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function paint(style: 'bold' | 'dim' | 'green' | 'red', text: string): string {
  return styleText(style, text, { stream: process.stdout, validateStream: true });
}
