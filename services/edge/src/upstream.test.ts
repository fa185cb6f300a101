import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Upstream, capable, noClient, pickUpstream } from './upstream.ts';

function way(clientId: string, streamCount: number, usable = true, features: string[] = []): Upstream {
  return {
    id: `${clientId} ${streamCount}`,
    clientId,
    streamCount,
    quiet: false,
    usable,
    features: new Set(features),
    ownList: null,
    open: () => {
      throw new Error('not opened here');
    },
  };
}

test('the client with the fewest streams over all its tunnels is picked, and the tunnel that has most of them', () => {
  const fullest = way('b', 3);
  const ways = [way('a', 5), way('a', 0), way('b', 1), fullest, way('b', 0)];
  assert.equal(pickUpstream([ways], new Set()), fullest);
});

test('clients that were tried and tunnels that take no more are passed over', () => {
  assert.equal(pickUpstream([[way('a', 0), way('b', 1)]], new Set(['a']))?.clientId, 'b');
  assert.equal(pickUpstream([[way('a', 0, false), way('b', 9)]], new Set())?.clientId, 'b');
  assert.equal(pickUpstream([[way('a', 0)]], new Set(['a'])), null);
});

test('among equals each is picked now and then', () => {
  const picked = new Set<string>();
  for (let i = 0; i < 200; i += 1)
    picked.add(pickUpstream([[way('a', 1), way('b', 1), way('c', 1)]], new Set())?.clientId ?? '');
  assert.deepEqual(picked, new Set(['a', 'b', 'c']));
});

test('a group is taken only when those before it have no way, and a way that was refused leaves its client', () => {
  const own = way('a', 9);
  const relay = way('a', 1);
  const relays = [relay, way('b', 4)];
  assert.equal(pickUpstream([[own], relays], new Set()), own);
  assert.equal(pickUpstream([[own], relays], new Set([own.id])), relay);
  assert.equal(pickUpstream([[own], relays], new Set(['a']))?.clientId, 'b');
  assert.equal(pickUpstream([[], []], new Set()), null);
});

test('a client whose check of the resource passes goes before one whose check fails, in whichever group', () => {
  const isWell = (clientId: string) => clientId !== 'a';
  assert.equal(pickUpstream([[way('a', 0), way('b', 9)]], new Set(), isWell)?.clientId, 'b');
  assert.equal(pickUpstream([[way('a', 0)], [way('b', 9)]], new Set(), isWell)?.clientId, 'b');
});

test('where no check passes all are tried', () => {
  assert.equal(pickUpstream([[way('a', 0)], [way('b', 0)]], new Set(), () => false)?.clientId, 'a');
  assert.equal(pickUpstream([[way('a', 0)], [way('b', 0)]], new Set(['a']), () => false)?.clientId, 'b');
});

test('of clients only those count that announced what the destination needs, in whichever group', () => {
  const groups = [[way('old', 0)], [way('new', 9, true, ['tls', 'of a later version'])]];
  assert.equal(pickUpstream(capable(groups, ['tls']), new Set())?.clientId, 'new');
  assert.equal(pickUpstream(capable(groups, ['tls', 'proxy']), new Set()), null);
  assert.equal(pickUpstream(capable(groups, []), new Set())?.clientId, 'old');
});

test('the cause says which client knows too little, where one is connected, and else that none is', () => {
  const about = { name: 'db', gatewayName: 'Site' };
  const cause = noClient(about, [[], [way('old', 0)]], ['tls', 'udp']);
  assert.deepEqual(
    [cause.code, cause.text],
    ['EDGE_CLIENT_OUTDATED', 'client old, for db, is of a version that does not know tls, udp: update it'],
  );
  assert.equal(noClient(about, [[], []], ['tls']).code, 'EDGE_NO_CLIENT');
});
