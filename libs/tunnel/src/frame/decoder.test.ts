import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FrameDecoder } from './decoder.ts';
import { frameSamples } from './frame-sample.ts';
import { encodeFrame, FrameType, headerBytes, payloadBytesMax, writeHeader } from './frame.ts';

interface Seen {
  type: number;
  stream: number;
  payload: string;
}

/** What a decoder makes of chunks, pieces of one DATA frame put together. */
function decode(chunks: Buffer[]): Seen[] {
  const seen: Seen[] = [];
  const decoder = new FrameDecoder({
    handleFrame: (type, stream, payload) => {
      seen.push({ type, stream, payload: payload.toString('hex') });
    },
    handleData: (stream, piece) => {
      const last = seen.at(-1);
      if (last?.type === FrameType.Data && last.stream === stream) last.payload += piece.toString('hex');
      else seen.push({ type: FrameType.Data, stream, payload: piece.toString('hex') });
    },
  });
  for (const chunk of chunks) decoder.push(chunk);
  return seen;
}

function cutAt(bytes: Buffer, ends: number[]): Buffer[] {
  const sorted = [0, ...ends.map((end) => end % bytes.length), bytes.length].sort((a, b) => a - b);
  return sorted.slice(1).map((end, i) => bytes.subarray(sorted[i], end));
}

const whole = Buffer.concat(Object.values(frameSamples));
const expected = Object.values(frameSamples).map((frame) => ({
  type: frame[0],
  stream: frame.readUInt32BE(4),
  payload: frame.toString('hex', headerBytes),
}));

test('one frame of each type is read whole', () => {
  assert.deepEqual(decode([whole]), expected);
});

test('frames are read byte by byte', () => {
  assert.deepEqual(decode([...whole].map((byte) => Buffer.from([byte]))), expected);
});

test('frames are read when cut in two anywhere', () => {
  for (let at = 0; at <= whole.length; at += 1)
    assert.deepEqual(decode([whole.subarray(0, at), whole.subarray(at)]), expected);
});

test('frames are read when cut at random', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(), { maxLength: 40 }), (ends) => {
      assert.deepEqual(decode(cutAt(whole, ends)), expected);
    }),
  );
});

test('any frames come back as they were, however cut', () => {
  const frame = fc.record({
    type: fc.constantFrom(FrameType.Data, FrameType.Datagram, 200),
    stream: fc.nat(0xffff_ffff),
    payload: fc.uint8Array({ minLength: 1, maxLength: 300 }),
  });
  fc.assert(
    fc.property(fc.array(frame, { minLength: 1, maxLength: 20 }), fc.array(fc.nat()), (frames, ends) => {
      // Neighbours of one stream would be one run of pieces in `decode`.
      const apart = frames.filter((f, i) => i === 0 || f.stream !== frames[i - 1]?.stream);
      const bytes = Buffer.concat(apart.map((f) => encodeFrame(f.type, f.stream, f.payload)));
      assert.deepEqual(
        decode(cutAt(bytes, ends)),
        apart.map((f) => ({ ...f, payload: Buffer.from(f.payload).toString('hex') })),
      );
    }),
  );
});

test('a length that is announced beyond its bound is refused with the header, before a byte of payload', () => {
  for (const type of [...Object.values(FrameType), 99]) {
    const header = Buffer.alloc(headerBytes);
    writeHeader(header, 0, type, payloadBytesMax + 1, 1);
    const decoder = new FrameDecoder({ handleFrame: () => assert.fail(), handleData: () => assert.fail() });
    decoder.push(header.subarray(0, 7));
    assert.throws(() => decoder.push(header.subarray(7)), { code: 'TUNNEL_FRAME_TOO_LONG' });
  }
});

test('DATA is handed on piece by piece, without a copy', () => {
  const frame = encodeFrame(FrameType.Data, 5, Buffer.alloc(1_000, 7));
  const pieces: Buffer[] = [];
  const decoder = new FrameDecoder({
    handleFrame: () => assert.fail(),
    handleData: (_stream, piece) => {
      pieces.push(piece);
    },
  });
  const first = frame.subarray(0, 100);
  decoder.push(first);
  assert.equal(pieces.length, 1, 'what came is there at once');
  assert.equal(pieces[0]?.buffer, first.buffer);
  decoder.push(frame.subarray(100));
  assert.deepEqual(
    pieces.map((piece) => piece.length),
    [92, 908],
  );
});

test('the piece that begins a payload is told to have its header in front of it, where that came in the same chunk', () => {
  const frame = encodeFrame(FrameType.Data, 5, Buffer.alloc(100, 7));
  const headedAt = (...cuts: number[]): boolean[] => {
    const told: boolean[] = [];
    const decoder = new FrameDecoder({
      handleFrame: () => assert.fail(),
      handleData: (_stream, _piece, _slab, headed) => void told.push(headed),
    });
    for (const chunk of cutAt(Buffer.concat([frame, frame]), cuts)) decoder.push(chunk);
    return told;
  };
  assert.deepEqual(headedAt(), [true, true]);
  assert.deepEqual(headedAt(50), [true, false, true]);
  for (const cut of [3, headerBytes]) assert.deepEqual(headedAt(cut), [false, true]);
});

test('random bytes end in a TunnelError or are frames, and nothing else', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 })), (chunks) => {
      try {
        decode(chunks.map((chunk) => Buffer.from(chunk)));
      } catch (error) {
        assert.match((error as { code: string }).code, /^TUNNEL_FRAME_/);
      }
    }),
    { numRuns: 300 },
  );
});
