import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Batch, stagingBytes } from './batch.ts';
import { Budget } from './budget.ts';
import { defaultLimits } from './limit.ts';
import { SendingPart } from './sending-part.ts';
import { Slab } from './slab.ts';
import { isHeld } from './test-slab.ts';

test('what goes out as it lies is held until it was written, also where the peer says before that it has it', () => {
  const part = new SendingPart(defaultLimits, new Budget(2 ** 24));
  part.raise(2 ** 24);
  const slab = Slab.take();
  const region = slab.region() as Buffer;
  part.write(slab.fill(region.length), slab);
  slab.release();
  const batch = new Batch(131_072, Buffer.alloc(stagingBytes(131_072)));
  part.writeTo(batch, 1, 65_536);
  assert.ok(batch.isInPlace);
  assert.ok(part.acknowledge(region.length, 2 ** 24));
  assert.equal(part.retained, 0);
  assert.ok(isHeld(slab), 'its memory is not used again while it waits');
  batch.release();
  assert.ok(!isHeld(slab));
});
