import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteQueue, slabsHeldMax } from './byte-queue.ts';
import { Slab } from './slab.ts';
import { patternBytes } from '../test-world.ts';

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

test('of all queues together few slabs are held, what comes beyond is copied, and there is room again when they are empty', () => {
  const bytes = 8_192;
  const slab = Slab.take();
  const piece = slab.fill(bytes);
  /** How many of so many queues hold the slab of a piece. */
  const holders = (queues: ByteQueue[]): number => {
    for (const queue of queues) queue.push(piece, slab);
    return queues.filter((queue) => queue.peek(bytes)?.buffer === piece.buffer).length;
  };
  const queues = Array.from({ length: slabsHeldMax + 100 }, () => new ByteQueue());
  assert.equal(holders(queues), slabsHeldMax);
  for (const queue of queues) queue.clear();
  const some = queues.slice(0, slabsHeldMax);
  assert.equal(holders(some), slabsHeldMax);
  for (const queue of some) queue.advance(bytes);
  assert.equal(holders(queues), slabsHeldMax);
  for (const queue of queues) queue.clear();
});

test('pieces that lie behind one another in a slab come out together, others in turn, and each slab is let go once', () => {
  const step = fc.record({
    bytes: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 8_000, max: 16_384 })),
    room: fc.constantFrom(0, 8),
    take: fc.oneof(fc.constant(0), fc.nat(40_000)),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queue = new ByteQueue();
      const slabs = new Set<Slab>();
      let reader = Slab.take();
      let pushed = 0;
      let taken = 0;
      const take = (most: number): void => {
        const piece = queue.peek(most);
        if (piece === null) return;
        assert.ok(piece.equals(patternBytes(1, taken, piece.length)));
        taken += piece.length;
        queue.advance(piece.length);
      };
      for (const { bytes, room, take: most } of steps) {
        if (reader.region(room) === null) {
          reader.release();
          reader = Slab.take();
        }
        slabs.add(reader);
        patternBytes(1, pushed, bytes).copy(reader.region(room) as Buffer);
        queue.push(reader.fill(bytes, room), reader);
        reader.release();
        pushed += bytes;
        take(most);
        assert.equal(queue.length, pushed - taken);
      }
      while (queue.length > 0) take(65_536);
      assert.equal(taken, pushed);
      reader.release();
      for (const slab of slabs) assert.throws(() => slab.release(), /released more often/);
    }),
    { numRuns: 50 },
  );
  const queue = new ByteQueue();
  const slab = Slab.take();
  for (const bytes of [16_384, 16_384, 100]) {
    queue.push(slab.fill(bytes, 0), slab);
    slab.release();
  }
  assert.equal(queue.peek(65_536)?.length, 32_868);
  queue.clear();
  slab.release();
});

test('slabs are held for pieces that wait, sixteen of them, and each is let go once', () => {
  const queue = new ByteQueue();
  const slabs = Array.from({ length: 17 }, () => Slab.take());
  const pieces = slabs.flatMap((slab, index) =>
    [0, 1].map((half) => {
      const piece = slab.fill(60_000).fill(2 * index + half);
      queue.push(piece, slab);
      slab.release();
      return piece;
    }),
  );
  for (const slab of slabs) slab.release();
  // What lies in the last was copied, and it is free again.
  const [last] = slabs.slice(-1) as [Slab];
  assert.throws(() => last.release(), /released more often/);
  for (const piece of pieces.slice(-2)) piece.fill(0xff);
  const takeNext = (index: number): void => {
    assert.deepEqual(queue.peek(60_000), Buffer.alloc(60_000, index));
    queue.advance(60_000);
  };
  for (let index = 0; index < 3; index += 1) takeNext(index);
  const [first, second] = slabs as [Slab, Slab];
  assert.throws(() => first.release(), /released more often/);
  second.hold();
  second.release();
  // One was let go, so there is room for another, and for no more than that.
  const [held, copied] = [Slab.take(), Slab.take()];
  for (const slab of [held, copied]) {
    queue.push(slab.fill(60_000).fill(34), slab);
    slab.release();
    slab.release();
  }
  held.hold();
  held.release();
  assert.throws(() => copied.release(), /released more often/);
  for (let index = 3; index < 34; index += 1) takeNext(index);
  queue.clear();
  for (const slab of [...slabs, held]) assert.throws(() => slab.release(), /released more often/);
});
