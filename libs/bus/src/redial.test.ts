import assert from 'node:assert/strict';
import { it } from 'node:test';
import { redialOptions } from './redial.ts';

type Servers = Parameters<ReturnType<typeof redialOptions>['reconnectToServer']>[0];

const pool = (...listens: string[]): Servers => listens.map((listen) => ({ listen })) as unknown as Servers;

it('waits before it tries the same server again, and remembers nothing of one that has left the cluster', () => {
  const { reconnectToServer } = redialOptions();
  const delayOf = (...listens: string[]): number => {
    const next = reconnectToServer(pool(...listens), null);
    assert.ok(next !== null && 'delay' in next);
    return next.delay;
  };
  assert.equal(delayOf('a', 'b'), 0);
  assert.ok(delayOf('a', 'b') > 0);
  assert.equal(delayOf('b', 'c'), 0);
  assert.equal(delayOf('a', 'c'), 0);
});
