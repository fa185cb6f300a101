import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Batch, stagingBytes } from './batch.ts';
import { FrameDecoder } from '../frame/decoder.ts';
import { encodeFrame, FrameType } from '../frame/frame.ts';
import { SendBuffer } from '../memory/send-buffer.ts';
import { Slab } from '../memory/slab.ts';
import { patternBytes } from '../test-world.ts';

const bytesMax = 131_072;

type Entry = { type: number; stream: number; payload: string };

function decode(bytes: Buffer, into: Entry[]): void {
  const decoder = new FrameDecoder({
    handleFrame: (type, stream, payload) => {
      into.push({ type, stream, payload: payload.toString('hex') });
    },
    handleData: (stream, piece) => {
      into.push({ type: FrameType.Data, stream, payload: piece.toString('hex') });
    },
  });
  decoder.push(bytes);
}

/** A stream's send buffer filled with slab payloads and copies. */
class Source {
  readonly out = new SendBuffer();
  readonly stream: number;
  #slab: Slab | null = null;

  constructor(stream: number) {
    this.stream = stream;
  }

  push(bytes: number, inSlab: boolean): void {
    const piece = patternBytes(this.stream, this.out.end, bytes);
    if (!inSlab) {
      if (bytes < 4_096) this.out.pushCopy(piece);
      else this.out.push(piece, null);
      return;
    }
    let region = this.#slab?.region() ?? null;
    if (region === null) {
      this.#slab?.release();
      this.#slab = Slab.take();
      region = this.#slab.region() as Buffer;
    }
    piece.copy(region);
    this.out.push((this.#slab as Slab).fill(bytes), this.#slab);
  }
}

const step = fc.oneof(
  fc.record({
    kind: fc.constant('push' as const),
    stream: fc.nat(2),
    bytes: fc.oneof(fc.integer({ min: 1, max: 3_000 }), fc.integer({ min: 16_000, max: 65_528 })),
    inSlab: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('data' as const),
    stream: fc.nat(2),
    bytes: fc.constantFrom(9, 5_000, 65_528),
  }),
  fc.record({ kind: fc.constant('frame' as const), bytes: fc.constantFrom(2, 16, 2_000, 65_536) }),
  fc.record({ kind: fc.constant('header' as const), stream: fc.nat(9) }),
  fc.record({ kind: fc.constant('flush' as const) }),
  fc.record({ kind: fc.constant('rewind' as const), stream: fc.nat(2) }),
);

test('what is written is what was put in, in order, staged or in place', () => {
  const staging = Buffer.allocUnsafeSlow(stagingBytes(bytesMax));
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 60 }), (steps) => {
      const sources = [new Source(1), new Source(2), new Source(3)];
      let batch = new Batch(bytesMax, staging);
      const expected: Entry[] = [];
      const seen: Entry[] = [];
      let length = 0;
      for (const now of [...steps, { kind: 'flush' as const }]) {
        const source = 'stream' in now ? sources[now.stream] : undefined;
        if (now.kind === 'push') source?.push(now.bytes, now.inSlab);
        else if (now.kind === 'rewind') source?.out.rewind(Math.max(0, source.out.sentMax - 1_000));
        else if (now.kind === 'frame' && batch.takesFrames) {
          const frame = encodeFrame(FrameType.Control, 0, Buffer.alloc(now.bytes, 7));
          batch.addFrame(frame);
          expected.push({ type: FrameType.Control, stream: 0, payload: frame.toString('hex', 8) });
          length += frame.length;
        } else if (now.kind === 'header' && batch.takesFrames) {
          batch.addHeader(FrameType.Fin, now.stream);
          expected.push({ type: FrameType.Fin, stream: now.stream, payload: '' });
          length += 8;
        } else if (now.kind === 'data' && source !== undefined && source.out.unsent > 0) {
          const piece = source.out.take(Math.min(now.bytes, batch.room));
          if (piece === null) continue;
          if (!batch.addData(source.stream, piece)) {
            source.out.putBack(piece);
            continue;
          }
          const at = source.out.next - piece.bytes.length;
          const payload = patternBytes(source.stream, at, piece.bytes.length).toString('hex');
          expected.push({ type: FrameType.Data, stream: source.stream, payload });
          length += 8 + piece.bytes.length;
        } else if (now.kind === 'flush') {
          const bytes = batch.finish();
          assert.equal(bytes.length, length);
          decode(bytes, seen);
          batch = new Batch(bytesMax, staging);
          length = 0;
        }
        assert.equal(batch.length, length);
      }
      assert.deepEqual(seen, expected);
    }),
    { numRuns: 60 },
  );
});

test('a run of payloads that lie behind one another is written as it lies, without a copy', () => {
  const slab = Slab.take();
  const out = new SendBuffer();
  for (let i = 0; i < 2; i += 1) {
    const region = slab.region() as Buffer;
    patternBytes(1, i * region.length, region.length).copy(region);
    out.push(slab.fill(region.length), slab);
  }
  const batch = new Batch(bytesMax, Buffer.alloc(stagingBytes(bytesMax)));
  const first = out.take(65_528);
  const second = out.take(65_528);
  assert.ok(first !== null && second !== null);
  assert.ok(batch.addData(5, first) && batch.addData(5, second));
  assert.equal(batch.finish().buffer, first.bytes.buffer);
  assert.equal(batch.takesFrames, false);
  const seen: Entry[] = [];
  decode(batch.finish(), seen);
  assert.deepEqual(
    seen.map(({ stream, payload }) => [stream, payload.length / 2]),
    [
      [5, first.bytes.length],
      [5, second.bytes.length],
    ],
  );
});

test('bytes that are sent again are copied: a header in front of them could lie in bytes that are still to be sent', () => {
  const slab = Slab.take();
  const out = new SendBuffer();
  out.push(slab.fill(30_000), slab);
  out.take(30_000);
  out.rewind(0);
  const again = out.take(30_000);
  assert.ok(again !== null && !again.first);
  const batch = new Batch(bytesMax, Buffer.alloc(stagingBytes(bytesMax)));
  batch.addData(1, again);
  assert.notEqual(batch.finish().buffer, again.bytes.buffer);
});
