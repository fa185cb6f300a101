// The program as a shell has it.

import assert from 'node:assert/strict';
import { type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { answerAll, certificatePem } from './api.fixture.ts';

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

/** The arguments that have a token made by an API that is not one, and how often it was asked. */
async function tokenMaker(t: TestContext): Promise<{ args: string[]; asked: () => number }> {
  let asked = 0;
  const { url } = await answerAll(t, (_request, response) => {
    asked += 1;
    response.writeHead(201).end(JSON.stringify({ id: 't1', token: 'secret' }));
  });
  const folder = await mkdtemp(join(tmpdir(), 'postern-cli-'));
  t.after(() => rm(folder, { recursive: true }));
  const [ca, key] = [join(folder, 'ca.pem'), join(folder, 'key')];
  await Promise.all([writeFile(ca, certificatePem), writeFile(key, 'pk_1')]);
  const platform = ['--url', url.href, '--key-file', key, '--ca', ca];
  return {
    args: [join(import.meta.dirname, 'main.ts'), ...platform, 'tokens', 'create', 'g'],
    asked: () => asked,
  };
}

for (const redirection of ['>&-', '>/dev/null'])
  test(`no token is made where nobody could read it: ${redirection}`, async (t) => {
    const { args, asked } = await tokenMaker(t);
    const child = spawn('sh', ['-c', `exec "$0" "$@" ${redirection}`, process.execPath, ...args]);
    const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
    assert.match(said, /CLI_ARGUMENT_INVALID: a token is shown once, and stdout is closed or \/dev\/null/);
    assert.deepEqual([code, asked()], [64, 0]);
  });

test('a token that was made and could not be written out is told by its ID', async (t) => {
  const { args, asked } = await tokenMaker(t);
  const full = await open('/dev/full', 'w');
  t.after(() => full.close());
  for (const stdout of ['pipe', full.fd] as const) {
    const child = spawn(process.execPath, args, { stdio: ['ignore', stdout, 'pipe'] });
    child.stdout?.destroy();
    assert(child.stderr);
    const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
    assert.match(said, /nobody has the token that was made: postern tokens delete g t1, and make another\n$/);
    assert.equal(code, 69);
  }
  assert.equal(asked(), 2);
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
