/**
 * `pnpm test:unit`: the unit tests, three processes at a time, one more than processors, since some wait. All files of a
 * package share a process, which makes a test file cost milliseconds, and small packages share one too, since each process
 * loads for half a second what the others have loaded; large ones do not, because the runner watches every promise of a
 * process and slows down with their number. Arguments go on to node's runner. The last lines are the sums, in the words of
 * node's own.
 */
import { spawn } from 'node:child_process';
import { globSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { compileCacheFolder } from './install/cache.ts';
import { rootFolder } from './root.ts';
import { countTests, sumCounts, type Counts } from './test/counts.ts';

const processesAtOnce = 3;
/** Of test files in one process, unless a single package has more. */
const bytesAtOnce = 200_000;
const testTimeoutMs = 60_000;
const more = process.argv.slice(2).filter((argument) => argument !== '--');

/** Tests that share a process. */
interface Group {
  readonly folders: readonly string[];
  readonly files: readonly string[];
  readonly bytes: number;
}

const packages = globSync('{libs/*,services/*,apps/*,scripts,bench}', { cwd: rootFolder })
  .map(groupOf)
  .filter(({ files }) => files.length > 0)
  // What has most to say takes longest, and is not to begin last.
  .toSorted((a, b) => b.bytes - a.bytes);
const groups = packages.reduce<Group[]>(together, []);

const counts: Counts[] = [];
let failed = false;

function groupOf(folder: string): Group {
  const files = globSync(`${folder}/src/**/*.test.ts`, { cwd: rootFolder }).filter(
    (file) => !file.endsWith('.system.test.ts'),
  );
  const bytes = files.reduce((sum, file) => sum + statSync(join(rootFolder, file)).size, 0);
  return { folders: [folder], files, bytes };
}

/** Adds one to the last group where it has room, else as a group of its own. */
function together(made: Group[], one: Group): Group[] {
  const last = made.at(-1);
  if (last === undefined || last.bytes + one.bytes > bytesAtOnce) return [...made, one];
  const { folders, files, bytes } = last;
  const joined = {
    folders: [...folders, ...one.folders],
    files: [...files, ...one.files],
    bytes: bytes + one.bytes,
  };
  return [...made.slice(0, -1), joined];
}

async function runGroups(): Promise<void> {
  for (let next = groups.shift(); next !== undefined; next = groups.shift()) {
    const { code, output } = await run(next.files);
    const name = next.folders.join(', ');
    counts.push(countTests(output));
    if (code !== 0) failed = true;
    process.stdout.write(code === 0 ? `▸ ${name}\n` : `✖ ${name}\n${output}`);
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

await Promise.all(Array.from({ length: processesAtOnce }, runGroups));
const sum = sumCounts(counts);
const tests = sum.passed + sum.failed + sum.skipped;
process.stdout.write(
  `\nℹ tests ${tests}\nℹ pass ${sum.passed}\nℹ fail ${sum.failed}\nℹ skipped ${sum.skipped}\n`,
);
process.exitCode = failed ? 1 : 0;
