// `pnpm bench` as a person starts it, as short as it can be: every figure must come out, however small.
// Nothing is asked of the speeds.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { promisify } from 'node:util';

const main = join(import.meta.dirname, '..', '..', '..', 'bench', 'src', 'main.ts');
const figuresOfATunnel = 30;

interface Entry {
  readonly peer: string;
  readonly group: string;
  readonly figures: Record<string, number | null>;
  readonly error: string | null;
}

test('the bench measures every figure of Postern', async (context) => {
  const directory = await mkdtemp(join(tmpdir(), 'postern-bench-smoke-'));
  context.after(() => rm(directory, { recursive: true, force: true }));
  const [json, svg] = [join(directory, 'bench.json'), join(directory, 'bench.svg')];
  const args = [main, '--smoke', '--peers', 'postern', '--json', json, '--plot', svg];
  const { stdout } = await promisify(execFile)(process.execPath, args, { signal: context.signal });

  const { entries } = JSON.parse(await readFile(json, 'utf8')) as { entries: Entry[] };
  assert.deepEqual(
    entries.map(({ error }) => error).filter((error) => error !== null),
    [],
  );
  const figures: Record<string, unknown> = Object.assign(
    {},
    ...entries.filter(({ peer }) => peer === 'postern').map((entry) => entry.figures),
  );
  assert.ok(Object.keys(figures).length >= figuresOfATunnel, `only ${Object.keys(figures).join(', ')}`);
  for (const [name, value] of Object.entries(figures))
    assert.ok(Number.isFinite(value), `${name} is ${String(value)}`);
  assert.match(stdout, /^\| figure \| Postern \| against \| ratio \| wanted \| met\? \|$/m);
  assert.match(await readFile(svg, 'utf8'), />postern</);
});
