import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Multimap } from '@postern/tunnel';
import { GatewayTotals, countsOfRows, gatewaysCountedMax, otherGateways } from './gateway-totals.ts';

const ended = { streams: 1, fromCallers: 2, toCallers: 3, refused: 0 };

test('a gateway that is no longer has no row, so that nobody is paged for it', () => {
  const totals = new GatewayTotals();
  totals.add('a', ended);
  totals.add('b', ended);
  assert.deepEqual(
    [...totals.rows(['a', 'b', 'c'])].map(({ gatewayId, streams }) => [gatewayId, streams]),
    [
      ['a', 1],
      ['b', 1],
      ['c', 0],
    ],
  );
  assert.deepEqual([...totals.rows(['b'])], [{ gatewayId: 'b', ...ended }]);
  assert.equal(totals.all.streams, 2);
});

test('beyond the bound gateways share one row, and one that goes makes room', () => {
  const totals = new GatewayTotals();
  const known = Array.from({ length: gatewaysCountedMax + 2 }, (_, index) => `g${index}`);
  assert.equal([...totals.rows(known)].length, gatewaysCountedMax + 1);
  totals.add('g1001', ended);
  assert.deepEqual([...totals.rows(known)].at(-1), { gatewayId: otherGateways, ...ended });
  const ids = [...totals.rows(known.slice(1))].map(({ gatewayId }) => gatewayId);
  assert(!ids.includes('g0') && ids.includes('g1000'));
});

test('in the row of all others are those that no row is for', () => {
  const sizes = new Multimap<number>();
  for (const [index, gatewayId] of ['a', 'b', 'b', 'c'].entries()) sizes.add(gatewayId, index);
  assert.deepEqual(countsOfRows(['a', otherGateways, 'd'], sizes), [1, 3, 0]);
  assert.deepEqual(countsOfRows(['a', 'b', 'c'], sizes), [1, 2, 1]);
});
