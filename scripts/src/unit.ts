/**
 * `pnpm test:unit`: the unit tests, one process for each package and three at a time, one more than processors, since
 * some wait. Within a package all files share the process, which makes a test file cost milliseconds; across packages they
 * do not, because the runner watches every promise of a process and slows down with their number. Arguments go on to node's runner. The last lines are the sums,
 * in the words of node's own.
 */
import { spawn } from 'node:child_process';
import { globSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { compileCacheFolder } from './install/cache.ts';
import { rootFolder } from './root.ts';
import { countTests, sumCounts, type Counts } from './test/counts.ts';

const packagesAtOnce = 3;
const testTimeoutMs = 60_000;
const more = process.argv.slice(2).filter((argument) => argument !== '--');

const packages = globSync('{libs/*,services/*,apps/*,scripts,bench}', { cwd: rootFolder })
  .map((folder) => ({
    folder,
    files: globSync(`${folder}/src/**/*.test.ts`, { cwd: rootFolder }).filter(
      (file) => !file.endsWith('.system.test.ts'),
    ),
  }))
  .filter(({ files }) => files.length > 0)
  // What has most to say takes longest, and is not to begin last.
  .map((one) => ({ ...one, bytes: sizeOf(one.files) }))
  .toSorted((a, b) => b.bytes - a.bytes);

const counts: Counts[] = [];
let failed = false;

function sizeOf(files: readonly string[]): number {
  return files.reduce((sum, file) => sum + statSync(join(rootFolder, file)).size, 0);
}

async function runPackages(): Promise<void> {
  for (let next = packages.shift(); next !== undefined; next = packages.shift()) {
    const { code, output } = await run(next.files);
    counts.push(countTests(output));
    if (code !== 0) failed = true;
    process.stdout.write(code === 0 ? `▸ ${next.folder}\n` : `✖ ${next.folder}\n${output}`);
  }
}

function run(files: readonly string[]): Promise<{ code: number | null; output: string }> {
  const args = ['--test', '--test-isolation=none', `--test-timeout=${testTimeoutMs}`, '--test-reporter=spec'];
  const child = spawn(process.execPath, [...args, ...more, ...files], {
    cwd: rootFolder,
    env: { ...process.env, NODE_COMPILE_CACHE: compileCacheFolder() },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
    });
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
}

await Promise.all(Array.from({ length: packagesAtOnce }, runPackages));
const sum = sumCounts(counts);
const tests = sum.passed + sum.failed + sum.skipped;
process.stdout.write(
  `\nℹ tests ${tests}\nℹ pass ${sum.passed}\nℹ fail ${sum.failed}\nℹ skipped ${sum.skipped}\n`,
);
process.exitCode = failed ? 1 : 0;
