import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { headerBytes, payloadBytesMax } from '../frame/frame.ts';
import { Slab } from './slab.ts';

test('payloads of a slab lie behind one another, each with room for a header', () => {
  const slab = Slab.take();
  let end = 0;
  for (let region = slab.region(); region !== null; region = slab.region()) {
    assert.ok(region.length <= payloadBytesMax - headerBytes);
    const payload = slab.fill(region.length);
    assert.equal(payload.byteOffset - end, headerBytes);
    assert.equal(payload.buffer, region.buffer);
    end = payload.byteOffset + payload.length;
  }
  assert.ok(end > 200_000);
});

test('a slab is used again only when its reader and every payload have let it go', () => {
  const slab = Slab.take();
  slab.fill(100);
  slab.fill(100);
  slab.release();
  slab.release();
  const other = Slab.take();
  assert.notEqual(other, slab);
  slab.release();
  assert.equal(Slab.take(), slab);
});

test('a slab that nobody has can be neither held nor released', () => {
  const slab = Slab.take();
  slab.release();
  assert.throws(() => slab.hold(), /held/);
  assert.throws(() => slab.release(), /released/);
});

test('a pinned slab is never used again', () => {
  const slab = Slab.take();
  slab.pin();
  slab.release();
  const taken = Array.from({ length: 200 }, () => Slab.take());
  assert.ok(!taken.includes(slab));
});

/** The common slab, once it is one that no other test has a copy in. */
function freshCommon(): Slab {
  const former = Slab.common(payloadBytesMax);
  former.hold();
  while (Slab.common(payloadBytesMax) === former) {
    former.copy(Buffer.alloc(payloadBytesMax));
    former.release();
  }
  former.release();
  return Slab.common(payloadBytesMax);
}

test('all who read little share a slab, which is used again when their copies were let go', () => {
  const first = freshCommon();
  const slabs = Array.from({ length: 40 }, () => {
    const slab = Slab.common(10_000);
    slab.copy(Buffer.alloc(10_000));
    return slab;
  });
  assert.equal(new Set(slabs).size, 2);
  assert.equal(slabs[0], first);
  for (const slab of slabs) slab.release();
  const free = Slab.take();
  assert.equal(free, first, 'nobody reads into the former any more');
  free.release();
});

test('no two holders ever share memory', () => {
  const step = fc.record({
    slot: fc.nat(7),
    fill: fc.integer({ min: 1, max: 65_528 }),
    copies: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const held: { slab: Slab; bytes: Buffer; mark: number }[] = [];
      let reader = Slab.take();
      let mark = 0;
      for (const { slot, fill, copies } of steps) {
        const old = held[slot];
        if (old !== undefined && slot % 2 === 0) {
          held.splice(slot, 1);
          old.slab.release();
        }
        mark = (mark + 1) & 0xff;
        if (copies) {
          const slab = Slab.common(fill);
          held.push({ slab, bytes: slab.copy(Buffer.alloc(fill, mark)), mark });
        }
        let region = reader.region();
        if (region === null) {
          reader.release();
          reader = Slab.take();
          region = reader.region() as Buffer;
        }
        const bytes = reader.fill(Math.min(fill, region.length)).fill(mark);
        held.push({ slab: reader, bytes, mark });
        for (const { bytes: b, mark: m } of held) assert.ok(b[0] === m && b.at(-1) === m);
      }
      for (const { slab } of held) slab.release();
      reader.release();
    }),
    { numRuns: 50 },
  );
});
