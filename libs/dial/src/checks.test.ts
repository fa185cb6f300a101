import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Check, Checks, checksAtOnceMax } from './checks.ts';

const check = (host: string): Check => ({
  kind: 'tcp',
  target: { host, port: 1, connectTimeoutSeconds: 5 },
  http: null,
  intervalSeconds: 10,
});

test('a check that changes while it waits for its turn waits once, and is made as it is then', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const asked: string[] = [];
  const answers: (() => void)[] = [];
  const checks = new Checks({
    resource: () => ({
      guard: {
        decide: ({ host }) => {
          asked.push(host);
          return { allowed: true, rule: null, reason: '' };
        },
        denialOf: () => null,
      },
      hosts: {
        resolve: async () => {
          await new Promise<void>((resolve) => answers.push(resolve));
          throw new Error('no such name');
        },
      },
      end: { name: 'the client', nameRemedy: '' },
      material: async () => [],
    }),
    onFinding: () => {},
  });
  const turn = async (ms: number): Promise<void> => {
    t.mock.timers.tick(ms);
    await nextTurn();
  };
  for (let n = 0; n < checksAtOnceMax; n += 1) checks.set(`silent-${n}`, check(`silent-${n}`));
  await turn(1_000);
  assert.equal(asked.length, checksAtOnceMax);
  for (let n = 0; n < 100; n += 1) {
    checks.set('one', check(`host-${n}`));
    await turn(1_000);
  }
  checks.set('gone', check('gone'));
  await turn(1_000);
  checks.set('gone', null);
  for (const answer of answers.splice(0)) answer();
  await nextTurn();
  assert.deepEqual(asked.slice(checksAtOnceMax), ['host-99']);
  checks.close();
});
