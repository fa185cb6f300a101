import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ResetCode } from '@postern/tunnel';
import { causeOfReset } from './errors.ts';

test('what a client cuts because it stops is no want of room', () => {
  for (const opened of [false, true]) {
    const { code, end } = causeOfReset(ResetCode.ShuttingDown, 'this process is stopping', opened);
    assert.deepEqual([code, end], ['EDGE_CLIENT_STOPPING', 'client']);
  }
  assert.equal(causeOfReset(ResetCode.Limit, 'no room', false).code, 'EDGE_CLIENT_LIMIT');
});
