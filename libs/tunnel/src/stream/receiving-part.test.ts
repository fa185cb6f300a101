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
