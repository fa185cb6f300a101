import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Batch, stagingBytes } from '../session/batch.ts';
import { Budget } from '../memory/budget.ts';
import { defaultLimits } from '../limit.ts';
import { SendingPart } from './sending-part.ts';
import { Slab } from '../memory/slab.ts';
import { isHeld } from '../memory/test-slab.ts';

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

test('the end follows the last byte, however late the credit for that comes', () => {
  const part = new SendingPart(defaultLimits, new Budget(2 ** 24));
  const send = (): void => {
    const batch = new Batch(131_072, Buffer.alloc(stagingBytes(131_072)));
    part.writeTo(batch, 1, 65_536);
    batch.release();
  };
  part.writeCopy(Buffer.alloc(100));
  part.end();
  part.raise(60);
  send();
  assert.equal(part.acknowledge(61, 60), false, 'no end was sent');
  part.raise(100);
  send();
  assert.deepEqual([part.acknowledge(101, 100), part.finished], [true, true]);
});

test('what is kept above the floor is the budget’s from when it is written until it is acknowledged', () => {
  const budget = new Budget(2 ** 24);
  const part = new SendingPart(defaultLimits, budget);
  const above = 100_000;
  part.writeCopy(Buffer.alloc(defaultLimits.floorBytes + above));
  assert.equal(budget.used, above);
  part.raise(2 ** 24);
  const batch = new Batch(2 ** 18, Buffer.alloc(stagingBytes(2 ** 18)));
  part.writeTo(batch, 1, 2 ** 18);
  batch.release();
  part.acknowledge(above, 2 ** 24);
  assert.equal(budget.used, 0);
});

/** A part that has `pieces` whole frames to send, each in a slab, and what it sends in one turn. */
function partWithPieces(pieces: number): { part: SendingPart; pieceBytes: number; send: () => number } {
  const part = new SendingPart(defaultLimits, new Budget(2 ** 24));
  let pieceBytes = 0;
  for (let i = 0; i < pieces; i += 1) {
    const slab = Slab.take();
    const { length } = slab.region() as Buffer;
    part.write(slab.fill(length), slab);
    slab.release();
    pieceBytes = length;
  }
  const send = (): number => {
    const before = part.unsent;
    for (let more = true; more;) {
      const batch = new Batch(131_072, Buffer.alloc(stagingBytes(131_072)));
      more = part.writeTo(batch, 1, 65_536);
      batch.release();
    }
    return before - part.unsent;
  };
  return { part, pieceBytes, send };
}

test('a piece is sent whole with the next credit, which is sure to come when half of the last is used up', () => {
  const { part, pieceBytes, send } = partWithPieces(6);
  part.raise(4 * pieceBytes - 1);
  assert.equal(send(), 3 * pieceBytes, 'and not the rest, which would cut it');
  part.acknowledge(2 * pieceBytes, 6 * pieceBytes);
  assert.equal(send(), 3 * pieceBytes);
});

test('of the credit of a relay with a small window half is used at once, however late the end behind it acknowledges', () => {
  const { part, send } = partWithPieces(16);
  for (let sent = 0; sent < 900_000;) {
    part.raise(sent + 40_000);
    const more = send();
    assert.ok(more >= 20_000, `${more} of 40,000 behind ${sent}`);
    sent += more;
  }
});
