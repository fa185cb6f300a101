import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { openFiles } from './open-files.ts';

// Linux before 6.2, and other systems, do not say.
const skip = openFiles() === null && 'the system does not say';

test(
  'where no file descriptor is left, as many are open as may be; the metrics of the process are told all the same',
  { skip },
  () => {
    const program = `
    import { openSync } from 'node:fs';
    import { openFiles } from ${JSON.stringify(join(import.meta.dirname, 'open-files.ts'))};
    import { Metrics, processMetrics } from ${JSON.stringify(join(import.meta.dirname, 'index.ts'))};
    const metrics = new Metrics();
    processMetrics(metrics);
    const before = openFiles();
    try { for (;;) openSync('/dev/null'); } catch {}
    const after = openFiles();
    const [, told] = /^process_unix_file_descriptor_count (\\d+)$/m.exec(await metrics.text());
    process.stdout.write(JSON.stringify({ before, after, told: Number(told) }));`;
    const shell = 'ulimit -n 128 && exec "$0" --input-type=module --eval "$1"';
    const out = execFileSync('sh', ['-c', shell, process.execPath, program], { encoding: 'utf8' });
    const { before, after, told } = JSON.parse(out) as Record<string, { open: number; max: number }>;
    assert.equal(before?.max, 128);
    // What the shell had open above its limit counts as well.
    assert.ok(after !== undefined && after.open >= 128, `${after?.open}`);
    assert.deepEqual([after.max, told], [after.open, after.open]);
  },
);
