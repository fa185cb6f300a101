import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';

const root = join(import.meta.dirname, '../../..');
const programs = [
  ...['acl', 'admin', 'certstore', 'edge', 'router'].map((name) => `services/${name}`),
  ...['balancer', 'client', 'standalone'].map((name) => `apps/${name}`),
];

/** What a program loads takes for ever, and it says so on stdout when it has come to that. */
const hook = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from 'node:module';
  registerHooks({
    load(url, context, next) {
      if (!url.endsWith('/src/run.ts')) return next(url, context);
      const source = "process.stdout.write('loading'); setInterval(() => {}, 1000); await new Promise(() => {});";
      return { format: 'module', source, shortCircuit: true };
    },
  });
`)}`;

for (const program of programs) {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    test(`${program} that is asked to stop by ${signal} while its code is loaded says so and ends with 0`, async (t) => {
      const main = join(root, program, 'src/main.ts');
      const child = spawn(process.execPath, ['--import', hook, main], { stdio: ['ignore', 'pipe', 'pipe'] });
      t.after(() => child.kill('SIGKILL'));
      const said = text(child.stderr);
      const exited = once(child, 'exit');
      await once(child.stdout, 'data');
      child.kill(signal);
      assert.deepEqual(await exited, [0, null]);
      assert.match(await said, /stopped before its code was loaded/);
    });
  }
}

/** Tells what Node itself has loaded when the program ends. */
const listing = `data:text/javascript,${encodeURIComponent(`
  process.on('exit', () => process.stderr.write(process.moduleLoadList.join('\\n')));
`)}`;

for (const program of programs) {
  test(`${program} loads Node’s http and none of undici`, async () => {
    const main = join(root, program, 'src/main.ts');
    const child = spawn(process.execPath, ['--import', listing, main, '--help']);
    child.stdout.resume();
    const loaded = await text(child.stderr);
    assert.match(loaded, /NativeModule http\n/);
    assert.doesNotMatch(loaded, /undici/);
  });
}
