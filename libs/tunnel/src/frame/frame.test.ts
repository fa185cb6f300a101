import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GoAwayCode, ResetCode, resetCodeName, saysNothingReached } from '../error.ts';
import { frameSamples } from './frame-sample.ts';
import {
  checkPayloadLength,
  decodeAnswer,
  decodeCredit,
  decodeGoAway,
  decodeJson,
  decodeOpen,
  decodeReset,
  decodeResume,
  encodeAnswer,
  encodeBody,
  encodeCredit,
  encodeFrame,
  encodeGoAway,
  encodeOpen,
  encodeReset,
  encodeResume,
  FrameType,
  headerBytes,
} from './frame.ts';
import { defaultLimits, payloadBytesMax } from '../limit.ts';
import { exampleBytes, sessionExample, tableRows } from './protocol-page.ts';

/** Reads a frame and writes it anew out of what was read. */
function readAndWrite(frame: Buffer): Buffer {
  const type = frame[0] as number;
  const stream = frame.readUInt32BE(4);
  const payload = frame.subarray(headerBytes);
  assert.equal(frame.readUIntBE(1, 3), payload.length);
  switch (type) {
    case FrameType.Hello:
    case FrameType.Welcome:
    case FrameType.Control:
      return encodeBody(type, decodeJson(payload));
    case FrameType.Open:
      return encodeOpen(stream, decodeOpen(payload));
    case FrameType.Resume:
      return encodeResume(stream, decodeResume(payload));
    case FrameType.Opened:
    case FrameType.Resumed:
      return encodeAnswer(type, stream, decodeAnswer(payload));
    case FrameType.Credit: {
      const { delivered, limit } = decodeCredit(payload);
      return encodeCredit(stream, delivered, limit);
    }
    case FrameType.Reset: {
      const { code, text } = decodeReset(payload);
      return encodeReset(stream, code, text);
    }
    case FrameType.GoAway: {
      const { lastStream, code, text } = decodeGoAway(payload);
      return encodeGoAway(lastStream, code, text);
    }
    default:
      return encodeFrame(type, stream, payload);
  }
}

const names = Object.keys(FrameType).map((name) => name.toLowerCase());

for (const name of names) {
  test(`the example of ${name.toUpperCase()} on the protocol's page is what is written and read`, () => {
    const example = exampleBytes(name);
    assert.equal(frameSamples[name]?.toString('hex'), example.toString('hex'));
    assert.equal(readAndWrite(example).toString('hex'), example.toString('hex'));
  });
}

test('every frame of the worked session is what is written and read', () => {
  const frames = sessionExample();
  assert.ok(frames.length >= 15);
  for (const { frame } of frames) assert.equal(readAndWrite(frame).toString('hex'), frame.toString('hex'));
});

test('the fields of the examples are those that the page names', () => {
  const open = decodeOpen(exampleBytes('open').subarray(headerBytes));
  assert.deepEqual([open.key, open.attempt, open.limit], ['000102030405060708090a0b0c0d0e0f', 1, 262_144]);
  assert.deepEqual(decodeCredit(exampleBytes('credit').subarray(headerBytes)), {
    delivered: 65_536,
    limit: 327_680,
  });
  assert.deepEqual(decodeGoAway(exampleBytes('goaway').subarray(headerBytes)), {
    lastStream: 6,
    code: GoAwayCode.ShuttingDown,
    text: 'draining',
  });
  assert.deepEqual(decodeReset(exampleBytes('reset').subarray(headerBytes)), {
    code: ResetCode.Denied,
    text: 'rule 3 of the gateway',
  });
});

test("the page's table of types has every type, with its bounds", () => {
  const rows = tableRows('## Frames', 'type').filter(([type]) => type !== 'other');
  assert.deepEqual(
    rows.map(([type, name]) => [name, Number(type)]),
    Object.entries(FrameType),
  );
  for (const [type, name, , bounds = ''] of rows) {
    const [least = -1, most = -1] = bounds.split('–').map(Number);
    const code = Number(type);
    checkPayloadLength(code, least);
    checkPayloadLength(code, most);
    assert.throws(() => checkPayloadLength(code, most + 1), { code: 'TUNNEL_FRAME_TOO_LONG' }, name);
    if (least > 0)
      assert.throws(() => checkPayloadLength(code, least - 1), { code: 'TUNNEL_FRAME_MALFORMED' }, name);
  }
});

test('a type of a later version may have any payload up to payloadBytesMax', () => {
  checkPayloadLength(200, 0);
  checkPayloadLength(200, payloadBytesMax);
  assert.throws(() => checkPayloadLength(200, payloadBytesMax + 1), { code: 'TUNNEL_FRAME_TOO_LONG' });
});

test("the page's table of RESET codes is the source's", () => {
  const rows = tableRows('## Codes', 'code');
  assert.deepEqual(
    rows.map(([code, name]) => [name, Number(code)]),
    Object.entries(ResetCode),
  );
  for (const [code, name, nothingReached] of rows) {
    assert.equal(saysNothingReached(Number(code)), nothingReached === 'yes', String(name));
    assert.equal(resetCodeName(Number(code)), name);
  }
});

test("the page's table of GOAWAY codes is the source's", () => {
  assert.deepEqual(
    tableRows('GOAWAY.', 'code').map(([code, name]) => [name, Number(code)]),
    Object.entries(GoAwayCode),
  );
});

test("the page's table of limits has every limit with its default", () => {
  assert.deepEqual(
    tableRows('## Limits', 'name').map(([name, value]) => [name, Number(value)]),
    Object.entries({ payloadBytesMax, ...defaultLimits }),
  );
});

test('a code of a later version has a name for the log', () => {
  assert.equal(resetCodeName(99), 'code 99');
  assert.equal(saysNothingReached(99), false);
});

test('an offset is read up to 2^53 - 1 and refused above', () => {
  const largest = encodeCredit(1, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER).subarray(headerBytes);
  assert.equal(decodeCredit(largest).delivered, Number.MAX_SAFE_INTEGER);
  largest.writeBigUInt64BE(2n ** 53n, 8);
  assert.throws(() => decodeCredit(largest), { code: 'TUNNEL_FRAME_MALFORMED' });
});

test('a payload that is no JSON is malformed', () => {
  assert.throws(() => decodeJson(Buffer.from('{"a"')), { code: 'TUNNEL_FRAME_MALFORMED' });
});

test('a body that does not fit its frame is refused before it is sent', () => {
  const body = 'x'.repeat(payloadBytesMax - 1);
  assert.throws(() => encodeBody(FrameType.Control, body), { code: 'TUNNEL_CONTROL_TOO_LONG' });
  const open = { key: '0'.repeat(32), attempt: 1, limit: 0, body: 'x'.repeat(16_384) };
  assert.throws(() => encodeOpen(1, open), { code: 'TUNNEL_CONTROL_TOO_LONG' });
});

test('the text of RESET and GOAWAY is cut to 1,024 bytes', () => {
  const text = 'x'.repeat(5_000);
  assert.equal(decodeReset(encodeReset(1, 1, text).subarray(headerBytes)).text.length, 1_024);
  assert.equal(decodeGoAway(encodeGoAway(1, 1, text).subarray(headerBytes)).text.length, 1_024);
  checkPayloadLength(FrameType.Reset, encodeReset(1, 1, text).length - headerBytes);
  checkPayloadLength(FrameType.GoAway, encodeGoAway(1, 1, text).length - headerBytes);
});

test('what a later version says behind OPENED and RESUMED is kept for those who pass it on', () => {
  const more = Buffer.from('{"v":2}');
  const frame = encodeAnswer(FrameType.Opened, 2, { attempt: 1, received: 0, limit: 5, more });
  const answer = decodeAnswer(frame.subarray(headerBytes));
  assert.equal(Buffer.from(answer.more ?? []).toString(), '{"v":2}');
  assert.equal(encodeAnswer(FrameType.Opened, 2, answer).toString('hex'), frame.toString('hex'));
});
