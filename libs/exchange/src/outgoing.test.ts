import assert from 'node:assert/strict';
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { keepMemory, takeMemory } from '@postern/tunnel';
import { Outgoing, type PieceHolder } from './outgoing.ts';
import { withPair } from './test-pair.ts';
import { withTlsPair } from './test-tls-pair.ts';

class Holders implements PieceHolder {
  count = 0;
  /** Once nobody holds it the memory is somebody else's. */
  readonly memory: Buffer;

  constructor(bytes: number, value: number) {
    this.memory = Buffer.alloc(bytes, value);
  }

  hold(): void {
    this.count += 1;
  }

  release(): void {
    this.count -= 1;
    assert.ok(this.count >= 0, 'released more often than held');
    if (this.count === 0) this.memory.fill(0xff);
  }
}

test('a slab is held until its bytes have left, whether they are many, few or behind a slow reader', () =>
  withPair(async (to, from) => {
    const outgoing = new Outgoing(from);
    const slabs: Holders[] = [];
    const expected: Buffer[] = [];
    // The reader has not begun: what the system does not take waits, and what comes behind that is copied.
    for (let index = 0; index < 200; index += 1) {
      const slab = new Holders(index % 3 === 0 ? 100 : 60_000, index);
      slabs.push(slab);
      const text = `head ${index}\r\n`;
      expected.push(Buffer.from(text), Buffer.from(slab.memory));
      outgoing.addText(text);
      outgoing.add(slab.memory.subarray(0, 50), slab);
      outgoing.add(slab.memory.subarray(50), slab);
      assert.equal(slab.count, 1);
      outgoing.flush();
    }
    assert.ok(from.writableLength > 0);
    await setImmediate();
    const held = slabs.filter(({ count }) => count > 0).length;
    assert.equal(held, 1, `${held} slabs wait for a slow reader`);
    from.end();
    assert.ok((await buffer(to)).equals(Buffer.concat(expected)));
    assert.deepEqual(new Set(slabs.map(({ count }) => count)), new Set([0]));
  }));

test('a slab is released once when the connection breaks under its bytes, or they are dropped', () =>
  withPair(async (_, from) => {
    const outgoing = new Outgoing(from);
    const waiting = new Holders(16_777_216, 1);
    outgoing.add(waiting.memory, waiting);
    assert.equal(outgoing.flush(), false);
    assert.equal(waiting.count, 1);
    const dropped = new Holders(60_000, 2);
    outgoing.add(dropped.memory, dropped);
    outgoing.drop();
    assert.equal(dropped.count, 0);
    from.destroy();
    await once(from, 'close');
    assert.equal(waiting.count, 0);
    const late = new Holders(60_000, 3);
    outgoing.add(late.memory, late);
    outgoing.flush();
    await setImmediate();
    assert.equal(late.count, 0);
  }));

test('what has no slab and still waits to leave does not let go the slab of what follows', () =>
  withPair(async (_, from) => {
    const outgoing = new Outgoing(from);
    outgoing.add(Buffer.alloc(60_000));
    outgoing.flush();
    const next = new Holders(60_000, 1);
    outgoing.add(next.memory, next);
    await setImmediate();
    assert.equal(next.count, 1);
    outgoing.flush();
    await setImmediate();
    assert.equal(next.count, 0);
  }));

test("little that leaves at once is copied into memory that is used again, and what waits is nobody else's", () =>
  withPair(async (to, from) => {
    const outgoing = new Outgoing(from);
    const send = (value: string): void => {
      outgoing.addText('head\r\n');
      outgoing.add(Buffer.alloc(1_000, value));
      outgoing.flush();
    };
    const memory = takeMemory(1_006);
    keepMemory(memory);
    send('a');
    assert.equal(memory.toString('latin1', 0, 10), 'head\r\naaaa');
    assert.equal(takeMemory(1_006), memory);
    keepMemory(memory);
    // The reader has not begun.
    outgoing.add(Buffer.alloc(16_777_216, 'b'));
    outgoing.flush();
    send('c');
    assert.equal(memory.toString('latin1', 0, 10), 'head\r\naaaa');
    from.end();
    const all = await buffer(to);
    const ends = [all.toString('latin1', 0, 1_006), all.toString('latin1', all.length - 1_006)];
    assert.deepEqual(ends, [`head\r\n${'a'.repeat(1_000)}`, `head\r\n${'c'.repeat(1_000)}`]);
  }));

test('over TLS a slab is free at once, and what was copied comes as it was, behind a slow reader too', () =>
  withTlsPair(async (from, to) => {
    const outgoing = new Outgoing(from);
    const expected: Buffer[] = [];
    for (let index = 0; index < 300; index += 1) {
      const slab = new Holders(index % 3 === 0 ? 100 : 60_000, index);
      const text = `head ${index}\r\n`;
      expected.push(Buffer.from(text), Buffer.from(slab.memory));
      outgoing.addText(text);
      outgoing.add(slab.memory.subarray(0, 50), slab);
      outgoing.add(slab.memory.subarray(50), slab);
      outgoing.flush();
      assert.equal(slab.count, 0);
      // Sometimes what was written may leave first, so that its memory is used again.
      if (index % 7 === 0) await setImmediate();
    }
    assert.ok(from.writableLength > 0);
    from.end();
    assert.ok((await buffer(to)).equals(Buffer.concat(expected)));
  }));
