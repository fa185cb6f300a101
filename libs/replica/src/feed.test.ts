import assert from 'node:assert/strict';
import { it } from 'node:test';
import { policyFeed } from '@postern/contracts';
import { comparedPerTurn } from './feed-follower.ts';
import { FeedWorld, settle } from './feed.fixture.ts';
import { idsPerChangeMax } from './feed-log.ts';
import { beatIntervalMs } from './feed-owner.ts';

async function inWorld(work: (world: FeedWorld) => Promise<void>): Promise<void> {
  const world = new FeedWorld();
  try {
    await work(world);
  } finally {
    await world.close();
  }
  assert.equal(world.clock.timers, 0);
}

it('brings all there is to a new follower, then each change at once, deletions too', () =>
  inWorld(async (world) => {
    const owner = await world.owner();
    await world.change(owner, { a: '1', b: '1' });
    const { follower, items, changes } = world.follow();
    assert.equal(follower.isSynced, false);
    await follower.synced;
    assert.deepEqual(items(), ['a:1', 'b:1']);
    await world.change(owner, { a: '2', b: null, c: '1' });
    await settle();
    assert.deepEqual([items(), follower.get('b')], [['a:2', 'c:1'], undefined]);
    const { changed, deleted } = changes[1] ?? assert.fail();
    assert.deepEqual(
      changed.map(({ now, before }) => [now.id, now.gatewayName, before?.gatewayName]),
      [
        ['a', '2', '1'],
        ['c', '1', undefined],
      ],
    );
    assert.deepEqual(
      deleted.map(({ id, gatewayName }) => [id, gatewayName]),
      [['b', '1']],
    );
    assert.deepEqual(follower.position, owner.position);
  }));

it('is ready when there is nothing, too', () =>
  inWorld(async (world) => {
    await world.owner();
    const { follower, changes } = world.follow();
    await follower.synced;
    assert.deepEqual([follower.isSynced, follower.items.size, changes.length], [true, 0, 0]);
  }));

it('starts before its owner and is synced when that comes', () =>
  inWorld(async (world) => {
    const { follower } = world.follow();
    await settle();
    assert.equal(follower.isSynced, false);
    await world.owner();
    await follower.synced;
  }));

it('sees a change whose beat was lost, and one of another replica, within a second', () =>
  inWorld(async (world) => {
    const [first, second] = [await world.owner(), await world.owner()];
    const { follower, items } = world.follow();
    await follower.synced;
    await world.change(first, { a: '1' }, { beat: false });
    await settle();
    assert.deepEqual(items(), []);
    await first.stop();
    world.clock.advance(beatIntervalMs);
    await settle();
    assert.deepEqual([items(), second.position], [['a:1'], follower.position]);
  }));

it('raises nothing when the transaction of the change fails', () =>
  inWorld(async (world) => {
    const owner = await world.owner();
    const before = owner.position;
    const failing = world.store.transaction(async (within) => {
      await owner.record(within, ['a']);
      throw new Error('no');
    });
    await assert.rejects(failing, /no/);
    owner.beat();
    await settle();
    assert.deepEqual(owner.position, before);
  }));

it('goes on with what it has when its owner or the bus is gone, and catches up when they are back', () =>
  inWorld(async (world) => {
    const owner = await world.owner();
    await world.change(owner, { a: '1' });
    const { follower, items, bus } = world.follow();
    await follower.synced;
    bus.cut();
    await world.change(owner, { a: '2' });
    await settle();
    assert.deepEqual(items(), ['a:1']);
    bus.restore();
    await settle();
    assert.deepEqual(items(), ['a:2']);
    await owner.stop();
    follower.refresh();
    await settle();
    assert.deepEqual([items(), world.errors.length], [['a:2'], 1]);
  }));

it('fetches everything when the log no longer reaches back, and when a change touched too many', () =>
  inWorld(async (world) => {
    const owner = await world.owner();
    await world.change(owner, { gone: '1', kept: '1' });
    const { follower, items, bus, changes } = world.follow();
    await follower.synced;
    bus.cut();
    await world.change(owner, { gone: null });
    const { revision } = follower.position;
    await world.change(owner, { a: '2' });
    const log = await world.store.collection('acl_policies_log');
    await log.delete(String(revision + 1).padStart(16, '0'));
    bus.restore();
    await settle();
    assert.deepEqual(items(), ['a:2', 'kept:1']);
    assert.deepEqual(
      changes.at(-1)?.deleted.map(({ id }) => id),
      ['gone'],
    );
    await world.store.transaction((within) => {
      return owner.record(
        within,
        Array.from({ length: idsPerChangeMax + 1 }, (_value, index) => `x${index}`),
      );
    });
    owner.beat();
    await settle();
    assert.deepEqual(follower.position, owner.position);
  }));

it('fetches everything when the epoch is another, or the store was set back', () =>
  inWorld(async (world) => {
    const owner = await world.owner();
    await world.change(owner, { a: '1', b: '1' });
    const { follower, items } = world.follow();
    await follower.synced;
    const documents = await world.documents();
    await documents.delete('a');
    await world.renew(owner);
    await settle();
    assert.deepEqual(items(), ['b:1']);
    const counters = await world.store.collection<{ id: string; revision: number; epoch: string }>(
      'acl_policies_counter',
    );
    const counter = (await counters.get('counter')) ?? assert.fail();
    await counters.delete('counter');
    await counters.insert(counter);
    await documents.delete('b');
    owner.beat();
    await settle();
    assert.deepEqual([items(), follower.position.revision], [[], 1]);
    await documents.insert({ id: 'c', revision: 1, text: '1' });
    await counters.put({ ...counter, revision: 1, epoch: 'another' });
    owner.beat();
    await settle();
    assert.deepEqual([items(), follower.position], [['c:1'], { epoch: 'another', revision: 1 }]);
  }));

it('brings long lists in pages, with the changes that are made between them', () =>
  inWorld(async (world) => {
    const owner = await world.owner();
    const long = 'x'.repeat(6_000);
    for (let from = 0; from < 300; from += 100) {
      const texts = Array.from({ length: 100 }, (_value, index) => [`p${1_000 + from + index}`, long]);
      await world.change(owner, Object.fromEntries(texts) as Record<string, string>);
    }
    let reads = 0;
    world.beforeRead = async () => {
      reads += 1;
      if (reads === 3) await world.change(owner, { p1000: 'late', p1299: null, p1001: null });
    };
    const { follower, items } = world.follow();
    await follower.synced;
    await settle();
    assert.deepEqual(items(), await world.truth());
    assert(reads > 5, String(reads));
    const before = reads;
    const everything = Object.fromEntries(
      items()
        .toReversed()
        .map((item) => [item.slice(0, 5), `${long}2`]),
    );
    await world.change(owner, everything);
    await settle();
    assert.deepEqual(items(), await world.truth());
    assert(reads - before > 3, String(reads - before));
  }));

it('brings what comes after a page of which all is left out', () =>
  inWorld(async (world) => {
    const owner = await world.owner();
    const texts = Array.from({ length: 120 }, (_value, index) => [`p${100 + index}`, 'x']);
    await world.change(owner, Object.fromEntries(texts) as Record<string, string>);
    world.isLeftOut = (id) => id < 'p160';
    const { follower } = world.follow();
    await follower.synced;
    assert.deepEqual(
      [...follower.items.keys()].toSorted(),
      texts.slice(60).map(([id]) => id),
    );
  }));

it('says nothing of changes once its owner has stopped', () =>
  inWorld(async (world) => {
    const [stopped] = [await world.owner(), await world.owner()];
    const { follower, items } = world.follow();
    await follower.synced;
    await stopped.stop();
    await world.change(stopped, { a: '1' });
    await settle();
    assert.deepEqual(items(), []);
    world.clock.advance(beatIntervalMs);
    await settle();
    assert.deepEqual(items(), ['a:1']);
  }));

it('asks nothing while its owner is where it is', () =>
  inWorld(async (world) => {
    const owner = await world.owner();
    await world.change(owner, { a: '1' });
    const { follower } = world.follow();
    await follower.synced;
    await settle();
    world.beforeRead = () => assert.fail('nothing has changed');
    for (let beat = 0; beat < 3; beat += 1) {
      world.clock.advance(beatIntervalMs);
      await settle();
    }
    assert.deepEqual(world.errors, []);
  }));

it('tells nobody of what came and went between two looks', () =>
  inWorld(async (world) => {
    const owner = await world.owner();
    const { follower, changes } = world.follow();
    await follower.synced;
    await world.change(owner, { a: '1' }, { beat: false });
    await world.change(owner, { a: null });
    await settle();
    assert.deepEqual([changes, follower.position], [[], owner.position]);
  }));

it('says that it is not fresh when its owner cannot be asked, though it was before', () =>
  inWorld(async (world) => {
    const owner = await world.owner();
    const { follower } = world.follow();
    assert.equal(await follower.refreshed(), true);
    await owner.stop();
    assert.equal(await follower.refreshed(), false);
  }));

it('never fetches twice at once, and fetches again when it was overtaken', () =>
  inWorld(async (world) => {
    const owner = await world.owner();
    const gate = Promise.withResolvers<void>();
    let [running, most] = [0, 0];
    world.beforeRead = async () => {
      most = Math.max(most, (running += 1));
      await gate.promise;
      running -= 1;
    };
    const { follower, items } = world.follow();
    for (const text of ['1', '2', '3']) {
      await world.change(owner, { a: text });
      await settle();
    }
    assert.equal(most, 1);
    gate.resolve();
    await follower.synced;
    await settle();
    assert.deepEqual([items(), most], [['a:3'], 1]);
  }));

it('does not tell of what came again as it was', () =>
  inWorld(async (world) => {
    const owner = await world.owner();
    await world.change(owner, { a: '1', b: '1' });
    const { follower, changes } = world.follow();
    await follower.synced;
    await world.change(owner, { a: '1', b: '2' });
    await world.renew(owner);
    await settle();
    assert.deepEqual(
      changes.map(({ changed }) => changed.map(({ now }) => now.id)),
      [['a', 'b'], ['b']],
    );
  }));

it('says when the store is out of reach, and beats again when it is back', () =>
  inWorld(async (world) => {
    const owner = await world.owner();
    await settle();
    await world.store.close();
    world.clock.advance(beatIntervalMs);
    await settle();
    assert.equal((world.errors[0] as { code: string }).code, 'STORE_CLOSED');
    assert.equal(owner.position.revision, 1);
  }));

it('is behind while what the owner has announced cannot be fetched', () =>
  inWorld(async (world) => {
    const owner = await world.owner();
    const { follower, items } = world.follow();
    await follower.synced;
    await settle();
    assert.equal(follower.isBehind, false);
    world.beforeRead = async () => {
      throw new Error('not for you');
    };
    await world.change(owner, { a: '1' });
    await settle();
    assert.deepEqual([items(), follower.isBehind], [[], true]);
    world.beforeRead = async () => {};
    owner.beat();
    await settle();
    assert.deepEqual([items(), follower.isBehind], [['a:1'], false]);
  }));

it('stops while it fetches, without waiting for an answer', () =>
  inWorld(async (world) => {
    await world.owner();
    const gate = Promise.withResolvers<void>();
    world.beforeRead = () => gate.promise;
    const { follower } = world.follow();
    await settle();
    await follower.stop();
    assert.deepEqual([follower.isSynced, world.errors], [false, []]);
    gate.resolve();
  }));

it('forgets no refresh and no beat that is asked for in the moment in which the last one ends', () =>
  inWorld(async (world) => {
    const bus = world.hub.connect();
    const beats: unknown[] = [];
    const owner = await world.owner(bus, () => queueMicrotask(() => owner.beat()));
    await settle();
    const listening = bus.subscribe(policyFeed.beat.subject, (beat) => beats.push(beat));
    await world.renew(owner);
    await settle();
    assert.equal(beats.length, 2);
    listening.close();
    await world.change(owner, { a: '1' });
    await settle();
    let asked = 0;
    world.beforeRead = async () => void (asked += 1);
    const { follower } = world.follow(() => queueMicrotask(() => follower.refresh()));
    await settle();
    assert.equal(asked, 2);
  }));

it('compares all that comes again a few items in a turn, and has what is new in one step', () =>
  inWorld(async (world) => {
    const owner = await world.owner();
    const ids = Array.from({ length: 20 * comparedPerTurn }, (_, n) => `p${String(n).padStart(5, '0')}`);
    for (let from = 0; from < ids.length; from += idsPerChangeMax)
      await world.change(
        owner,
        Object.fromEntries(ids.slice(from, from + idsPerChangeMax).map((id) => [id, '1'])),
      );
    const { follower, changes } = world.follow();
    await follower.synced;
    await settle();
    let [turns, fetchedIn] = [0, 0];
    const count = (): void => {
      turns += 1;
      counting = setImmediate(count);
    };
    let counting = setImmediate(count);
    world.beforeRead = async () => void (fetchedIn = turns);
    await world.change(owner, { p00000: '2', p00001: null }, { beat: false });
    await world.renew(owner);
    await follower.refreshed();
    clearImmediate(counting);
    const { changed = [], deleted = [] } = changes[1] ?? {};
    assert.deepEqual([changes.length, changed.length, deleted.length], [2, 1, 1]);
    const comparing = turns - fetchedIn;
    assert(comparing >= 19, `all were compared within ${comparing} turns`);
  }));
