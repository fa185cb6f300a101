import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SendBuffer, type Piece } from './send-buffer.ts';
import { Slab } from './slab.ts';
import { patternByte, patternBytes } from '../test-world.ts';

type Step =
  | { kind: 'push' | 'copy' | 'slab'; bytes: number }
  | { kind: 'take'; bytes: number; back: boolean }
  | { kind: 'acknowledge' | 'rewind'; part: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('push' as const, 'copy' as const, 'slab' as const),
    bytes: fc.integer({ min: 1, max: 6_000 }),
  }),
  fc.record({ kind: fc.constant('copy' as const), bytes: fc.integer({ min: 1, max: 40 }) }),
  fc.record({
    kind: fc.constant('take' as const),
    bytes: fc.integer({ min: 1, max: 9_000 }),
    back: fc.boolean(),
  }),
  fc.record({
    kind: fc.constantFrom('acknowledge' as const, 'rewind' as const),
    part: fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 1, noNaN: true })),
  }),
);

/** Beside a model that keeps offsets alone: the byte at each offset is known. */
class Pair {
  readonly buffer = new SendBuffer();
  acknowledged = 0;
  next = 0;
  end = 0;
  sentMax = 0;
  #slab: Slab | null = null;

  run(now: Step): void {
    switch (now.kind) {
      case 'push':
        this.buffer.push(patternBytes(1, this.end, now.bytes), null);
        this.end += now.bytes;
        break;
      case 'copy': {
        const bytes = patternBytes(1, this.end, now.bytes);
        this.buffer.pushCopy(bytes);
        bytes.fill(0);
        this.end += now.bytes;
        break;
      }
      case 'slab':
        this.#pushSlab(now.bytes);
        break;
      case 'take':
        this.#take(now.bytes, now.back);
        break;
      case 'acknowledge':
        this.acknowledged += Math.floor((this.sentMax - this.acknowledged) * now.part);
        this.buffer.acknowledge(this.acknowledged);
        this.next = Math.max(this.next, this.acknowledged);
        break;
      case 'rewind':
        this.next = this.acknowledged + Math.floor((this.sentMax - this.acknowledged) * now.part);
        this.buffer.rewind(this.next);
    }
    const { acknowledged, next, end, sentMax } = this.buffer;
    assert.deepEqual(
      { acknowledged, next, end, sentMax },
      { acknowledged: this.acknowledged, next: this.next, end: this.end, sentMax: this.sentMax },
    );
    assert.equal(this.buffer.unsent, this.end - this.next);
    assert.equal(this.buffer.retained, this.end - this.acknowledged);
  }

  #pushSlab(bytes: number): void {
    let region = this.#slab?.region() ?? null;
    if (region === null) {
      this.#slab?.release();
      this.#slab = Slab.take();
      region = this.#slab.region() as Buffer;
    }
    patternBytes(1, this.end, bytes).copy(region);
    this.buffer.push((this.#slab as Slab).fill(bytes), this.#slab);
    this.end += bytes;
  }

  #take(bytes: number, back: boolean): void {
    // A stream asks only while there is something to send.
    if (this.buffer.unsent === 0) return;
    const piece = this.buffer.take(bytes) as Piece;
    assert.ok(piece !== null && piece.bytes.length > 0 && piece.bytes.length <= bytes);
    assert.equal(piece.first, this.next >= this.sentMax);
    for (let i = 0; i < piece.bytes.length; i += 1)
      assert.equal(piece.bytes[i], patternByte(1, this.next + i), `byte ${this.next + i}`);
    const sentMax = Math.max(this.sentMax, this.next + piece.bytes.length);
    if (!back || !piece.first) this.sentMax = sentMax;
    if (back) this.buffer.putBack(piece);
    else this.next += piece.bytes.length;
  }
}

test('whatever is pushed, sent, acknowledged and rewound, the bytes are those of their offset', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 60 }), (steps) => {
      const pair = new Pair();
      for (const now of steps) pair.run(now);
      while (pair.buffer.unsent > 0) pair.run({ kind: 'take', bytes: 9_000, back: false });
      pair.run({ kind: 'acknowledge', part: 1 });
      assert.equal(pair.buffer.retained, 0);
    }),
    { numRuns: 300 },
  );
});

test('an acknowledged payload lets its slab go, once, and cleared ones are never used again', () => {
  const slab = Slab.take();
  const buffer = new SendBuffer();
  buffer.push(slab.fill(10), slab);
  buffer.push(slab.fill(10), slab);
  slab.release();
  buffer.take(20);
  buffer.take(20);
  buffer.acknowledge(10);
  assert.notEqual(Slab.take(), slab, 'one payload is still kept');
  buffer.acknowledge(20);
  assert.equal(Slab.take(), slab);
  buffer.push(slab.fill(10), slab);
  buffer.clear();
  slab.release();
  assert.ok(!Array.from({ length: 200 }, () => Slab.take()).includes(slab));
});

test('a slab is pinned once, however often the path is lost', () => {
  let pinned = 0;
  const slab = { pin: () => (pinned += 1), release: () => {} } as unknown as Slab;
  const buffer = new SendBuffer();
  for (let i = 1; i <= 10; i += 1) {
    buffer.push(Buffer.alloc(10), slab);
    buffer.take(10);
    if (i > 5) buffer.acknowledge(10 * (i - 5));
    buffer.pin();
    buffer.pin();
    assert.equal(pinned, i);
  }
});

// With a cost for each that is kept it takes minutes.
test('a hundred thousand chunks that are kept are sent again and acknowledged one by one', () => {
  const chunks = 100_000;
  const buffer = new SendBuffer();
  for (let i = 0; i < chunks; i += 1) buffer.push(Buffer.of(i & 0xff), null);
  while (buffer.take(65_536) !== null);
  for (let i = 0; i < chunks; i += 1) {
    buffer.pin();
    buffer.rewind((i + chunks) >>> 1);
    assert.equal(buffer.take(65_536)?.bytes[0], ((i + chunks) >>> 1) & 0xff);
    buffer.acknowledge(i);
  }
});

test('small writes share memory', () => {
  const buffer = new SendBuffer();
  const seen = new Set<ArrayBufferLike>();
  for (let i = 0; i < 10_000; i += 1) buffer.pushCopy(Buffer.from([i]));
  for (let piece = buffer.take(65_536); piece !== null; piece = buffer.take(65_536))
    seen.add(piece.bytes.buffer);
  assert.ok(seen.size <= 6, `${seen.size} buffers`);
});

test('the memory of a small write is used again once it was acknowledged, and not while it may be sent again', () => {
  const write = (buffer: SendBuffer, value: number): ArrayBufferLike => {
    buffer.pushCopy(Buffer.alloc(300, value));
    return (buffer.take(300) as Piece).bytes.buffer;
  };
  const [kept, acknowledged, other] = [new SendBuffer(), new SendBuffer(), new SendBuffer()];
  const [keptMemory, memory] = [write(kept, 1), write(acknowledged, 2)];
  assert.notEqual(memory, keptMemory);
  acknowledged.acknowledge(300);
  assert.equal(write(other, 3), memory);
  kept.rewind(0);
  assert.ok((kept.take(300) as Piece).bytes.equals(Buffer.alloc(300, 1)));
});
