import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launchers } from './launcher.ts';

const chain = (...commands: string[][]) => commands.map((words, index) => ({ pid: index + 1, words }));

test('what launched a command is watched up to the uppermost package manager', () => {
  const pnpm = ['pnpm', 'cluster', '--state', 'DIR'];
  const npx = ['npm exec pnpm@12 cluster'];
  const sh = ['sh', '-c', "'pnpm' cluster"];
  assert.deepEqual(launchers(chain(sh, pnpm, sh, npx, ['bash'])), [1, 2, 3, 4]);
  assert.deepEqual(launchers(chain(sh, ['/usr/bin/node', '/opt/pnpm.cjs', 'cluster'], ['-zsh'])), [1, 2]);
});

test('a shell that started a package manager may end', () => {
  assert.deepEqual(
    launchers(chain(['sh', '-c', 'x'], ['pnpm', 'x'], ['sh', '-c', 'pnpm x & …'], ['sshd'])),
    [1, 2],
  );
});

test('a command that no package manager launched watches nobody', () => {
  assert.deepEqual(launchers(chain(['sh', '-c', 'node main.ts'], ['python3', 'test.py'])), []);
  assert.deepEqual(launchers(chain(['node', 'test/cluster/pnpm-cluster.ts'], ['bash'])), []);
});
