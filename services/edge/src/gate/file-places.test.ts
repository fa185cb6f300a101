import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FileReserve } from '@postern/telemetry';
import { FilePlaces, nobody } from './file-places.ts';

function refused(place: ReturnType<FilePlaces['enter']>): string {
  assert.ok(typeof place !== 'function');
  return `${place.code}: ${place.text}`;
}

test('one gateway has half of the file descriptors, and one that was given back counts once', () => {
  const files = new FilePlaces(new FileReserve(() => ({ open: 0, max: 4 })));
  const leave = files.enter('one');
  assert.ok(typeof leave === 'function');
  assert.equal(typeof files.enter('one'), 'function');
  assert.match(refused(files.enter('one')), /^EDGE_CONNECTIONS_FULL: the gateway has half of the file desc/);
  assert.equal(typeof files.enter('two'), 'function');
  leave();
  leave();
  assert.equal(typeof files.enter('one'), 'function');
  assert.match(refused(files.enter('one')), /^EDGE_CONNECTIONS_FULL: the gateway has half/);
});

test('those who have not said for which gateway they come have half of them, and are told so', () => {
  const files = new FilePlaces(new FileReserve(() => ({ open: 0, max: 4 })));
  for (let taken = 0; taken < 2; taken += 1) assert.equal(typeof files.enter(nobody), 'function');
  assert.match(refused(files.enter(nobody)), /^EDGE_CONNECTIONS_FULL: callers who have not said yet/);
  for (let taken = 0; taken < 2; taken += 1) files.enter('one');
  assert.match(refused(files.enter(nobody)), /^EDGE_CONNECTIONS_FULL: the node has no file descriptors left/);
});

test('where few are left there is none for anybody', () => {
  const files = new FilePlaces(new FileReserve(() => ({ open: 15, max: 16 })));
  assert.match(refused(files.enter('one')), /^EDGE_CONNECTIONS_FULL: the node has no file descriptors left/);
});
