import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Budget } from '../memory/budget.ts';
import { defaultLimits } from '../limit.ts';
import { ReceivingPart } from './receiving-part.ts';
import { Slab } from '../memory/slab.ts';

test('what comes before the stream is accepted is kept, apart from the slab that it came in', () => {
  const part = new ReceivingPart(defaultLimits, new Budget(defaultLimits.windowBytesMax), true);
  const slab = Slab.take();
  const piece = slab.copy(Buffer.alloc(10_000, 1));
  assert.equal(part.take(piece, slab), null);
  piece.fill(2);
  assert.ok(Buffer.concat(part.accept()).equals(Buffer.alloc(10_000, 1)));
  assert.equal(part.take(piece, slab), piece, 'afterwards it is given as it is');
});

test('what comes once more from the start is passed over, and nothing may come after the end, nor the end before it', () => {
  const { floorBytes, windowBytesMax } = defaultLimits;
  const budget = new Budget(windowBytesMax);
  budget.take(floorBytes);
  const part = new ReceivingPart(defaultLimits, budget, true);
  part.accept();
  const again = (): boolean => part.restart(budget, 0, false);
  assert.ok(again());
  assert.equal(part.take(Buffer.alloc(100), null)?.length, 100);
  assert.equal(part.takeEnd(), 'new');
  assert.equal(part.allows(1), false);

  assert.ok(again());
  assert.equal(part.allows(100), true);
  assert.equal(part.take(Buffer.alloc(50), null), null);
  assert.ok(typeof part.takeEnd() === 'object', 'below what came before');
  assert.equal(part.take(Buffer.alloc(50), null), null);
  assert.equal(part.takeEnd(), 'repeated');
  assert.ok(typeof part.takeEnd() === 'object', 'twice');
  assert.equal(part.restart(new Budget(floorBytes - 1), 0, false), false);
  assert.equal(part.allows(1), false, 'a path that finds no window begins nothing');
});
