// The program as a shell has it.

import assert from 'node:assert/strict';
import { type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';

test('it ends without a word, and not with 0, when nobody reads on what it prints', async () => {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), '--help']);
  child.stdout.destroy();
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
  assert.deepEqual([said, code], ['', 69]);
});

test('a full disk behind what it prints is said in a line, and it ends with 69', async () => {
  const full = await open('/dev/full', 'w');
  const stdio: StdioOptions = ['ignore', full.fd, 'pipe'];
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), '--help'], { stdio });
  assert(child.stderr);
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
  await full.close();
  assert.match(said, /^postern: what was done could not be written out: ENOSPC[^\n]*\n$/);
  assert.equal(code, 69);
});

for (const rules of [[], ['']])
  test(`an access list is not emptied by ${rules.length === 0 ? 'no rule' : 'an empty one'}`, async () => {
    const args = [join(import.meta.dirname, 'main.ts'), 'access-list', 'set', 'g', ...rules];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    assert(child.stderr);
    const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
    assert.match(said, /CLI_ARGUMENT_INVALID: no rule is given: 'no acl' is the list that denies everything/);
    assert.equal(code, 64);
  });
