import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FileReserve } from '@postern/telemetry';
import { FilePlaces } from '../gate/file-places.ts';
import { CallerPlaces } from './caller-places.ts';

const places = (connectionsMax: number, connectionsPerAddressMax = 100) =>
  new CallerPlaces({ connectionsMax, connectionsPerAddressMax }, new FilePlaces());

/** Takes a place, which there is. */
function entered(place: ReturnType<CallerPlaces['enter']>): () => void {
  assert.ok(typeof place === 'function');
  return place;
}

/** The code and text with which none is given. */
function refused(place: ReturnType<CallerPlaces['enter']>): string {
  assert.ok(typeof place !== 'function');
  return `${place.code}: ${place.text}`;
}

test('one gateway has half of the places, and others and callers of none that is known yet the rest', () => {
  const all = places(4);
  const leave = entered(all.enter('192.0.2.1', 'one'));
  entered(all.enter('192.0.2.2', 'one'));
  assert.match(refused(all.enter('192.0.2.3', 'one')), /^EDGE_CONNECTIONS_FULL: the gateway has/);
  entered(all.enter('192.0.2.3', 'two'));
  entered(all.enter('192.0.2.3', null));
  assert.match(refused(all.enter('192.0.2.3', 'two')), /^EDGE_CONNECTIONS_FULL: the node has/);
  assert.match(refused(all.enter('192.0.2.3', null)), /^EDGE_CONNECTIONS_FULL: the node has/);
  leave();
  leave();
  assert.equal(all.total, 3);
  entered(all.enter('192.0.2.4', 'one'));
});

test('callers who have not said yet for which gateway they come have half of the places together', () => {
  const all = places(4);
  const leave = entered(all.enter('192.0.2.1', null));
  entered(all.enter('192.0.2.2', null));
  assert.match(refused(all.enter('192.0.2.3', null)), /^EDGE_CONNECTIONS_FULL: callers who have not said/);
  entered(all.enter('192.0.2.3', 'one'));
  leave();
  entered(all.enter('192.0.2.3', null));
});

test('one gateway has half of the file descriptors that callers may have, where these are fewer than the places', () => {
  const all = new CallerPlaces(
    { connectionsMax: 100, connectionsPerAddressMax: 100 },
    new FilePlaces(new FileReserve(() => ({ open: 0, max: 5 }))),
  );
  for (let taken = 0; taken < 3; taken += 1) entered(all.enter('192.0.2.1', 'one'));
  assert.match(
    refused(all.enter('192.0.2.1', 'one')),
    /^EDGE_CONNECTIONS_FULL: the gateway has half of the file descriptors/,
  );
  entered(all.enterFlow('192.0.2.1', 'one'));
  entered(all.enter('192.0.2.1', 'two'));
});

test('UDP flows of all fronts have half of the places together, and those of one gateway half of that', () => {
  const all = places(8);
  const leave = entered(all.enterFlow('192.0.2.1', 'one'));
  entered(all.enterFlow('192.0.2.2', 'one'));
  assert.match(
    refused(all.enterFlow('192.0.2.3', 'one')),
    /^EDGE_CONNECTIONS_FULL: UDP callers of the gateway/,
  );
  entered(all.enterFlow('192.0.2.3', 'two'));
  entered(all.enterFlow('192.0.2.4', 'three'));
  assert.match(refused(all.enterFlow('192.0.2.5', 'two')), /^EDGE_CONNECTIONS_FULL: UDP callers have/);
  entered(all.enter('192.0.2.5', 'one'));
  entered(all.enter('192.0.2.5', 'one'));
  assert.match(refused(all.enter('192.0.2.5', 'one')), /^EDGE_CONNECTIONS_FULL: the gateway has/);
  leave();
  entered(all.enterFlow('192.0.2.5', 'one'));
});

test('what an address may not have takes no place of its gateway', () => {
  const all = places(4, 1);
  const leave = entered(all.enter('192.0.2.1', 'one'));
  for (let tried = 0; tried < 3; tried += 1)
    assert.match(refused(all.enter('192.0.2.1', 'one')), /^EDGE_ADDRESS_FULL/);
  entered(all.enter('192.0.2.2', 'one'));
  leave();
  entered(all.enter('192.0.2.1', 'one'));
});

test('a connection for which no file descriptor is left is turned away, and holds no place; a UDP flow needs none', () => {
  const all = new CallerPlaces(
    { connectionsMax: 8, connectionsPerAddressMax: 8 },
    new FilePlaces(new FileReserve(() => ({ open: 15, max: 16 }))),
  );
  assert.match(
    refused(all.enter('192.0.2.1', 'one')),
    /^EDGE_CONNECTIONS_FULL: the node has no file descriptors/,
  );
  assert.equal(all.total, 0);
  entered(all.enterFlow('192.0.2.1', 'one'));
});

test('who leaves gives the file descriptor back', () => {
  const files = new FilePlaces(new FileReserve(() => ({ open: 0, max: 4 })));
  const all = new CallerPlaces({ connectionsMax: 8, connectionsPerAddressMax: 8 }, files);
  for (let calls = 0; calls < 3; calls += 1) entered(all.enter('192.0.2.1', 'one'))();
});
