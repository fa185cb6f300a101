import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteQueue } from './byte-queue.ts';
import { Slab } from './slab.ts';

test('bytes come out as they went in, however cut', () => {
  const step = fc.oneof(
    fc.record({ push: fc.nat(20_000) }),
    fc.record({ take: fc.nat(20_000), times: fc.nat(20) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queue = new ByteQueue();
      const model: number[] = [];
      let n = 0;
      for (const next of steps) {
        if ('push' in next) {
          const piece = Buffer.from(
            Array.from({ length: next.push % 40 === 0 ? next.push : next.push % 40 }, () => n++),
          );
          queue.push(piece);
          for (const byte of piece) model.push(byte);
        } else {
          for (let i = 0; i < next.times; i += 1) {
            const piece = queue.peek(next.take);
            if (piece === null) break;
            assert.deepEqual([...piece], model.splice(0, piece.length));
            queue.advance(piece.length);
          }
        }
        assert.equal(queue.length, model.length);
      }
    }),
    { numRuns: 50 },
  );
});

test('small pieces that wait do not hold the chunks that they came in', () => {
  const queue = new ByteQueue();
  const held = new Set<ArrayBufferLike>();
  for (let i = 0; i < 10_000; i += 1) queue.push(Buffer.alloc(65_536).subarray(7, 8));
  for (let piece = queue.peek(65_536); piece !== null; piece = queue.peek(65_536)) {
    held.add(piece.buffer);
    queue.advance(piece.length);
  }
  const bytes = [...held].reduce((sum, buffer) => sum + buffer.byteLength, 0);
  assert.ok(bytes < 200_000, `${bytes} bytes are held for 10,000`);
});

test('a slab is held for pieces that wait, for a few of them, and let go once', () => {
  const queue = new ByteQueue();
  const slab = Slab.take();
  const pieces = Array.from({ length: 4 }, (_, index) => slab.fill(60_000).fill(index));
  for (const piece of pieces) {
    queue.push(piece, slab);
    slab.release();
  }
  slab.release();
  const other = Slab.take();
  assert.notEqual(other, slab);
  const late = other.fill(60_000).fill(4);
  queue.push(late, other);
  other.release();
  other.release();
  // More than a few wait: the last was copied, and its slab is free again.
  assert.equal(Slab.take(), other);
  late.fill(0xff);
  for (let index = 0; index < 5; index += 1) {
    const next = queue.peek(60_000);
    assert.deepEqual(next, Buffer.alloc(60_000, index));
    queue.advance(60_000);
  }
  assert.equal(Slab.take(), slab);
  const third = Slab.take();
  queue.push(third.fill(60_000), third);
  third.release();
  third.release();
  queue.clear();
  assert.equal(Slab.take(), third);
});
