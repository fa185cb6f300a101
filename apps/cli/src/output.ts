/**
 * What goes to stdout: a table or a list of fields for people, JSON for programs. Values come from elsewhere, clients'
 * names among them, so control characters are taken out of what a terminal would interpret.
 */
import Table from 'cli-table3';
import { plainText } from './plain-text.ts';

/** A table without lines: two spaces between columns. */
const edges = ['top', 'bottom', 'left', 'right', 'mid'] as const;
const corners = edges.flatMap((edge) => [edge, `${edge}-mid`, `${edge}-left`, `${edge}-right`]);
const bare = { ...Object.fromEntries(corners.map((place) => [place, ''])), middle: '  ' };

/** Rows of objects: `columns` gives heading and path. */
export function tableOf(items: readonly unknown[], columns: Readonly<Record<string, string>>): string {
  if (items.length === 0) return 'none';
  const head = Object.keys(columns).map((heading) => heading.toUpperCase());
  const rows = items.map((item) => Object.values(columns).map((path) => textAt(item, path)));
  return render([head, ...rows]);
}

/** One object, a line for each field that has a plain value; what is below is named by its path. */
export function fieldsOf(item: unknown): string {
  return render(flatten(item, '').map(([path, value]) => [plainText(path), value]));
}

/** JSON with an end of line. */
export function jsonOf(value: unknown): string {
  return JSON.stringify(value, null, 2);
}

function render(rows: readonly (readonly string[])[]): string {
  const table = new Table({
    chars: bare,
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
  });
  table.push(...rows.map((row) => [...row]));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** `front.url`; `tunnels.*.node` gives all of them that are not null, `a|b` those of both paths. */
function textAt(item: unknown, path: string): string {
  const values = path
    .split('|')
    .flatMap((one) => valuesAt(item, one.split('.')))
    .filter((value) => value !== null);
  return values.map(textOf).join(', ') || '–';
}

function valuesAt(item: unknown, [key, ...rest]: readonly string[]): unknown[] {
  if (key === undefined) return [item];
  if (key === '*') return Array.isArray(item) ? item.flatMap((one) => valuesAt(one, rest)) : [];
  if (typeof item !== 'object' || item === null) return [];
  return valuesAt((item as Record<string, unknown>)[key], rest);
}

function flatten(value: unknown, path: string): [string, string][] {
  if (typeof value !== 'object' || value === null) return [[path, textOf(value)]];
  const entries = Object.entries(value);
  if (entries.length === 0) return [[path, '–']];
  return entries.flatMap(([key, one]) => flatten(one, path === '' ? key : `${path}.${key}`));
}

function textOf(value: unknown): string {
  switch (typeof value) {
    case 'boolean':
      return value ? 'yes' : 'no';
    case 'string':
      return value === '' ? '–' : plainText(value);
    case 'number':
    case 'bigint':
      return String(value);
    default:
      return '–';
  }
}
