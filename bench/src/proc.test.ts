import assert from 'node:assert/strict';
import test from 'node:test';
import { descendants, parseProcessStat } from './proc.ts';

test('reads a process whose name holds spaces and brackets', () => {
  const line = '42 (a) b (c) S 7 42 42 0 -1 4194560 1 0 0 0 250 50 20 80 20 0 11 0 123456 1 2 3';
  assert.deepEqual(parseProcessStat(line), {
    pid: 42,
    state: 'S',
    parent: 7,
    cpuSeconds: 4,
    startedAt: 123456,
  });
});

test('descendants are the roots and all that came from them, each once', () => {
  const stat = (pid: number, parent: number) => ({ pid, parent, state: 'S', cpuSeconds: 0, startedAt: 0 });
  const all = [stat(1, 0), stat(2, 1), stat(3, 2), stat(4, 1), stat(5, 4)];
  const found = descendants(all, [2, 4, 3]).map(({ pid }) => pid);
  assert.equal(found.length, 4);
  assert.deepEqual(new Set(found), new Set([2, 3, 4, 5]));
  assert.deepEqual(descendants(all, [9]), []);
});
