import assert from 'node:assert/strict';
import test from 'node:test';
import { schedule } from './schedule.ts';

test('peers take turns within each group, and each round begins with another peer', () => {
  const turns = [...schedule(['a', 'b', 'c'], ['bytes', 'memory'], 2)];
  const peersOf = (round: number, group: string): string =>
    turns
      .filter((turn) => turn.round === round && turn.group === group)
      .map(({ peer }) => peer)
      .join('');
  assert.equal(turns.length, 12);
  assert.equal(peersOf(1, 'bytes'), 'abc');
  assert.equal(peersOf(1, 'memory'), 'abc');
  assert.equal(peersOf(2, 'bytes'), 'bca');
});

test('a peer that takes no part in a group has no turn in it', () => {
  const turns = [
    ...schedule(['a', 'b'], ['bytes', 'tls'], 1, (peer, group) => peer === 'a' || group === 'bytes'),
  ];
  assert.deepEqual(
    turns.map(({ group, peer }) => `${group} ${peer}`),
    ['bytes a', 'bytes b', 'tls a'],
  );
});
