import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Flight, ShortTraffic } from './flight.ts';

const kib = 1024;

/** A flight whose peer tells, with `inFlight` bytes on their way, beside short pieces where wanted. */
function flightOf(options: { inFlight: number; shortAt?: number[] }): {
  flight: Flight;
  shorts: ShortTraffic;
} {
  const shorts = new ShortTraffic();
  const flight = new Flight(shorts);
  flight.handleRead(0, 0);
  flight.handleSent(options.inFlight);
  for (const at of options.shortAt ?? []) flight.handleShort(() => at);
  return { flight, shorts };
}

test('without short pieces bulk has no limit', () => {
  assert.equal(flightOf({ inFlight: 64_000 * kib }).flight.room(0, 1), Infinity);
});

test('beside a conversation of short pieces bulk waits while 96 KiB are in flight', () => {
  const { flight } = flightOf({ inFlight: 400 * kib, shortAt: [100, 200, 300] });
  assert.equal(flight.room(301, 1), -304 * kib);
});

test('what the peer has read is no longer in flight', () => {
  const { flight } = flightOf({ inFlight: 400 * kib, shortAt: [100, 200, 300] });
  assert.ok(flight.handleRead(128 * kib, 1));
  assert.equal(flight.room(301, null), -176 * kib);
});

test('short pieces within 50 ms count once: what bulk begins with is no conversation', () => {
  const { shorts } = flightOf({ inFlight: 400 * kib, shortAt: [100, 110, 120, 130] });
  assert.equal(shorts.isOn(131), false);
});

test('two seconds after the last short piece the limit is gone', () => {
  const { shorts } = flightOf({ inFlight: 400 * kib, shortAt: [100, 200, 300] });
  assert.equal(shorts.isOn(2_300), true);
  assert.equal(shorts.isOn(2_301), false);
});

test('short pieces with little in flight set no limit, since they wait for nothing', () => {
  assert.equal(flightOf({ inFlight: 100 * kib, shortAt: [100, 200, 300] }).shorts.isOn(301), false);
});

test('once it has begun, a conversation goes on beside less', () => {
  const { flight, shorts } = flightOf({ inFlight: 400 * kib, shortAt: [100, 200, 300] });
  flight.handleRead(200 * kib, 301);
  flight.handleShort(() => 2_200);
  assert.equal(shorts.isOn(2_400), true);
  flight.handleRead(400 * kib, 2_401);
  flight.handleShort(() => 4_100);
  assert.equal(shorts.isOn(4_300), false);
});

test('a conversation on one session limits bulk on all of the process', () => {
  const { shorts } = flightOf({ inFlight: 400 * kib, shortAt: [100, 200, 300] });
  const other = new Flight(shorts);
  other.handleRead(0, 0);
  assert.equal(other.room(301, null), 96 * kib);
});

test('the limit grows to what the path takes in a round trip, and a quarter more', () => {
  const { flight } = flightOf({ inFlight: 400 * kib, shortAt: [100, 200, 300] });
  flight.handleRead(400 * kib, 400); // 1 KiB/ms
  assert.equal(flight.room(401, 50), (96 + 1.25 * 50) * kib);
});

test('a peer that never told, of an earlier version, sets no limit', () => {
  const shorts = new ShortTraffic();
  const flight = new Flight(shorts);
  flight.handleSent(1_000 * kib);
  for (const at of [100, 200, 300]) shorts.add(at);
  assert.equal(flight.room(301, 1), Infinity);
});

test('a peer that has read more than was sent, or less than before, is told apart', () => {
  const { flight } = flightOf({ inFlight: 400 * kib });
  assert.equal(flight.handleRead(401 * kib, 1), false);
  assert.equal(flight.handleRead(200 * kib, 1), true);
  assert.equal(flight.handleRead(199 * kib, 1), false);
});

test('the peer is told each time that 64 KiB more were read', () => {
  const flight = new Flight(new ShortTraffic());
  assert.equal(flight.handleReceived(64 * kib - 1), false);
  assert.equal(flight.handleReceived(1), true);
  assert.equal(flight.tell(), 64 * kib);
  assert.equal(flight.tellsNow, false);
});
