import assert from 'node:assert/strict';
import { it } from 'node:test';
import { nodesNamedMax } from '@postern/contracts';
import { Wallet } from './grant.ts';
import { address } from '../keeper/keeper-desk.fixture.ts';

it('keeps no more than nodesNamedMax nodes, those that were named last', () => {
  const wallet = new Wallet();
  const named = (from: number) =>
    Array.from({ length: nodesNamedMax }, (_, index) => address(`n${from + index}`));
  wallet.takeNodes(named(0));
  wallet.takeNodes([...named(1000), ...wallet.nodes]);
  assert.deepEqual(wallet.nodes, named(1000));
});
