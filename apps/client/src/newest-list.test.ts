import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ListVersion, NewestList } from './newest-list.ts';

interface Told extends ListVersion {
  readonly text: string;
}

function lists() {
  const newest = new NewestList<number, Told>({ revision: -1, text: 'nothing' });
  const tell = (tunnel: number, text: string, revision: number, epoch?: string): string => {
    newest.tell(tunnel, { text, revision, epoch });
    return newest.current.text;
  };
  return { newest, tell };
}

test('the newest list counts that was told, also when its tunnel has gone', () => {
  const { newest, tell } = lists();
  assert.equal(newest.current.text, 'nothing');
  assert.equal(tell(1, 'five', 5, 'a'), 'five');
  assert.equal(tell(2, 'four', 4, 'a'), 'five');
  newest.forget(1);
  assert.equal(newest.current.text, 'five');
  newest.forget(2);
  assert.equal(tell(3, 'four again', 4, 'a'), 'five');
  assert.equal(tell(4, 'six', 6, 'a'), 'six');
});

test('a list of a restored platform counts though its revision is lower, and one of before does not come back', () => {
  const { newest, tell } = lists();
  assert.equal(tell(1, 'before', 9, 'a'), 'before');
  assert.equal(tell(2, 'restored', 4, 'b'), 'restored');
  newest.forget(2);
  assert.equal(tell(1, 'lagging', 10, 'a'), 'restored');
  assert.equal(tell(3, 'changed', 5, 'b'), 'changed');
});

test('of nodes that tell no epoch the revision counts', () => {
  const { tell } = lists();
  assert.equal(tell(1, 'new', 5, 'a'), 'new');
  assert.equal(tell(2, 'of an older node', 4), 'new');
  assert.equal(tell(2, 'later of an older node', 6), 'later of an older node');
  assert.equal(tell(1, 'newer', 7, 'a'), 'newer');
});

test('where a node tells an older list than itself before, the lists of the tunnels that are open count', () => {
  const { newest, tell } = lists();
  tell(1, 'gone', 9, 'a');
  newest.forget(1);
  assert.equal(tell(2, 'eight', 8, 'a'), 'gone');
  assert.equal(tell(3, 'seven', 7, 'a'), 'gone');
  assert.equal(tell(2, 'put back', 3, 'a'), 'seven');
  assert.equal(tell(3, 'put back too', 3, 'a'), 'put back too');
});
