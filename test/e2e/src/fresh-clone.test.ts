// The README's first command as a stranger runs it: a clone of what is committed, empty caches, and the Node that the
// machine brought, whichever it is from 20 on.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..', '..', '..');
const patienceMs = 600_000;

/** The PATH without what the package manager put before it. */
function stockPath(): string {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return folders.filter((folder) => !folder.includes('node_modules')).join(delimiter);
}

/** What a program is started with that knows nothing of this tree: the machine's own variables, and an empty home. */
async function strangersEnvironment(home: string): Promise<NodeJS.ProcessEnv> {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|pnpm_|postern_|xdg_|node_options)/i.test(name),
  );
  await mkdir(home, { recursive: true });
  // How this machine reaches its registry is no cache.
  await copyFile(join(homedir(), '.npmrc'), join(home, '.npmrc')).catch(() => undefined);
  return { ...Object.fromEntries(kept), PATH: stockPath(), HOME: home };
}

test('the demo passes in a fresh clone with empty caches, on the machine’s own Node', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'postern-fresh-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const clone = join(folder, 'postern');
  execFileSync('git', ['clone', '--quiet', '--no-hardlinks', root, clone]);
  const env = await strangersEnvironment(join(folder, 'home'));
  t.diagnostic(`Node ${execFileSync('node', ['--version'], { env, encoding: 'utf8' }).trim()}`);
  const demo = spawn('npx', ['--yes', 'pnpm@12', 'demo', '--once'], {
    cwd: clone,
    env,
    timeout: patienceMs,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const output of [demo.stdout, demo.stderr]) {
    output.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-20_000);
    });
  }
  const [code] = (await once(demo, 'close')) as [number | null];
  assert.equal(code, 0, said);
  assert.match(said, /there and back unchanged/);
});
