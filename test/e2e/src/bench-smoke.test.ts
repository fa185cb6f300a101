// `pnpm bench` as a person starts it, as short as it can be: every figure must come out, however small.
// Nothing is asked of the speeds, so half of the groups are measured beside the other half.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { promisify } from 'node:util';
import { figures, groups } from '@postern/bench';
import { makeScratch, removeScratch } from '@postern/test-cluster';

const main = join(import.meta.dirname, '..', '..', '..', 'bench', 'src', 'main.ts');

interface Entry {
  readonly group: string;
  readonly figures: Record<string, number | null>;
  readonly error: string | null;
}

test('the bench measures every figure of Postern', async (context) => {
  const directory = await makeScratch('bench-smoke');
  context.after(() => removeScratch(directory));
  const halves = [groups.filter((_, index) => index % 2 === 0), groups.filter((_, index) => index % 2 === 1)];
  const entries = await Promise.all(
    halves.map((half, index) => measure(half, join(directory, String(index)), context.signal)),
  );
  assert.deepEqual(
    entries.flat().flatMap(({ group, error }) => (error === null ? [] : [`${group}: ${error}`])),
    [],
  );
  const measured = Object.assign({}, ...entries.flat().map((entry) => entry.figures)) as Entry['figures'];
  assert.deepEqual(Object.keys(measured).toSorted(), Object.keys(figures).toSorted());
  for (const [name, value] of Object.entries(measured))
    assert.ok(Number.isFinite(value), `${name} is ${String(value)}`);
});

async function measure(half: readonly string[], file: string, signal: AbortSignal): Promise<Entry[]> {
  const [json, svg] = [`${file}.json`, `${file}.svg`];
  const args = [main, '--smoke', '--peers', 'postern', '--only', half.join(), '--json', json, '--plot', svg];
  const { stdout } = await promisify(execFile)(process.execPath, args, { signal });
  assert.match(stdout, /^\| figure \| Postern \| against \| ratio \| wanted \| met\? \|$/m);
  assert.match(await readFile(svg, 'utf8'), />postern</);
  return (JSON.parse(await readFile(json, 'utf8')) as { entries: Entry[] }).entries;
}
