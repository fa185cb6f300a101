import assert from 'node:assert/strict';
import { once } from 'node:events';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { type Eviction, HandshakeGate } from './handshake-gate.ts';

function enter(gate: HandshakeGate, address: string, cuts: string[], name: string) {
  return gate.enter(address, (cause) => cuts.push(`${name}: ${cause}`));
}

test('when the gate is full the oldest makes room', () => {
  const cuts: string[] = [];
  const gate = new HandshakeGate({ max: 2, perAddressMax: 2, timeoutMs: 10_000 });
  enter(gate, '192.0.2.1', cuts, 'first');
  enter(gate, '192.0.2.2', cuts, 'second');
  enter(gate, '192.0.2.3', cuts, 'third');
  assert.deepEqual(cuts, ['first: full']);
  assert.equal(gate.size, 2);
  gate.close();
});

test('an address that holds its share loses its own oldest, not another’s', () => {
  const cuts: string[] = [];
  const gate = new HandshakeGate({ max: 10, perAddressMax: 2, timeoutMs: 10_000 });
  enter(gate, '192.0.2.9', cuts, 'other');
  for (const name of ['a', 'b', 'c']) enter(gate, '192.0.2.1', cuts, name);
  assert.deepEqual(cuts, ['a: address full']);
  gate.close();
});

test('a gateway whose fronts are flooded from many addresses loses its own oldest, not another gateway’s', () => {
  const cuts: string[] = [];
  const gate = new HandshakeGate({ max: 4, perAddressMax: 2, timeoutMs: 10_000 });
  gate.enter('192.0.2.9', (cause) => cuts.push(`other: ${cause}`), 'other');
  for (let i = 1; i <= 4; i += 1)
    gate.enter(`192.0.2.${i}`, (cause) => cuts.push(`${i}: ${cause}`), 'flooded');
  assert.deepEqual(cuts, ['1: gateway full', '2: gateway full']);
  assert.equal(gate.size, 3);
  gate.close();
  assert.equal(gate.size, 0);
});

test('a connection of a gateway without one in the gate cuts the oldest where two others have all of it', () => {
  const cuts: string[] = [];
  const gate = new HandshakeGate({ max: 2, perAddressMax: 2, timeoutMs: 10_000 });
  for (const name of ['one', 'two', 'three'])
    gate.enter('192.0.2.1', (cause) => cuts.push(`${name}: ${cause}`), name);
  assert.deepEqual(cuts, ['one: address full']);
  gate.enter('192.0.2.2', () => {}, 'four');
  assert.deepEqual(cuts, ['one: address full', 'two: full']);
  gate.close();
});

test('5,000 that never finish leave room for one that does', () => {
  const gate = new HandshakeGate({ max: 1024, perAddressMax: 512, timeoutMs: 10_000 });
  for (let i = 0; i < 5000; i += 1) gate.enter('192.0.2.1', () => {});
  assert.equal(gate.size, 512);
  let cut = false;
  const pass = gate.enter('192.0.2.1', () => {
    cut = true;
  });
  pass.leave();
  assert.equal(cut, false);
  gate.close();
  assert.equal(gate.size, 0);
});

test('whoever stays too long is cut', async () => {
  const events = new EventEmitter();
  const gate = new HandshakeGate({ max: 2, perAddressMax: 2, timeoutMs: 10 });
  const keepAlive = setInterval(() => {}, 1000);
  gate.enter('192.0.2.1', (cause) => events.emit('cut', cause));
  const [cause] = (await once(events, 'cut')) as [Eviction];
  clearInterval(keepAlive);
  assert.equal(cause, 'timeout');
  assert.equal(gate.size, 0);
});

test('a pass that was given back is never cut, and leaving twice is harmless', () => {
  const cuts: string[] = [];
  const gate = new HandshakeGate({ max: 1, perAddressMax: 1, timeoutMs: 10_000 });
  const pass = enter(gate, '192.0.2.1', cuts, 'first');
  pass.leave();
  pass.leave();
  enter(gate, '192.0.2.1', cuts, 'second');
  assert.deepEqual(cuts, []);
  gate.close();
});

test('without an address one counts among all, and in no address’s share', () => {
  const gate = new HandshakeGate({ max: 4, perAddressMax: 1, timeoutMs: 60_000 });
  const cuts: string[] = [];
  for (const name of ['first', 'second', 'third']) gate.enter(null, (cause) => cuts.push(`${name} ${cause}`));
  gate.enter('1.1.1.1', (cause) => cuts.push(`address ${cause}`));
  assert.equal(gate.size, 4);
  gate.enter(null, () => {});
  assert.deepEqual(cuts, ['first full']);
  gate.close();
});
