import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryHub } from '@postern/bus';
import { answer, ask, getGateway, policyFeed, ServiceError } from '@postern/contracts';
import { openSqlite, type Store } from '@postern/store';
import { Attendance, unreadMsMax } from './attendance.ts';
import { FeedOwner } from './feed-owner.ts';
import { settle } from './feed.fixture.ts';
import { ManualClock } from './manual-clock.fixture.ts';

test('a replica that alone cannot read its documents leaves the queue to those that can, until it can again or nobody can', async () => {
  const hub = new MemoryHub();
  const clock = new ManualClock();
  const bus = hub.connect();
  const source = { read: async () => [], list: async () => ({ items: [], nextCursor: null }) };
  /** A replica, the store of which can be taken away. */
  const start = async (name: string) => {
    const store = openSqlite(':memory:');
    let isThere = true;
    const collection: Store['collection'] = async (...which) => {
      const found = await store.collection(...which);
      const get: typeof found.get = async (id) => {
        if (!isThere) throw new Error('out of reach');
        return found.get(id);
      };
      return { ...found, get } as never;
    };
    const owner = await FeedOwner.open({
      feed: policyFeed,
      store: { ...store, collection, transaction: (work) => store.transaction(work) },
      bus: hub.connect(),
      clock,
      source,
      onError: () => {},
    });
    const refuse = (): never => {
      throw new ServiceError({ code: name, message: '', status: 404 });
    };
    const serving = answer(owner.attendance, getGateway, refuse, { queue: 'owner' });
    return {
      reach: (there: boolean) => (isThere = there),
      stop: async () => {
        serving.close();
        await owner.stop();
        await store.close();
      },
    };
  };
  const [first, second] = [await start('first'), await start('second')];
  const answering = async (): Promise<string[]> => {
    const names = new Set<string>();
    for (let asked = 0; asked < 10; asked += 1)
      await ask(bus, getGateway, { id: 'x' }).catch((error: ServiceError) => names.add(error.code));
    return [...names].sort();
  };
  const pass = async (seconds: number): Promise<void> => {
    for (let passed = 0; passed < seconds; passed += 1) {
      await settle();
      clock.advance(1_000);
    }
    await settle();
  };
  await pass(5);
  assert.deepEqual(await answering(), ['first', 'second']);
  first.reach(false);
  await pass(5);
  assert.deepEqual(await answering(), ['second']);
  second.reach(false);
  await pass(5);
  assert.deepEqual(await answering(), ['first', 'second']);
  second.reach(true);
  await pass(5);
  assert.deepEqual(await answering(), ['second']);
  first.reach(true);
  await pass(2);
  assert.deepEqual(await answering(), ['first', 'second']);
  await Promise.all([first.stop(), second.stop()]);
  assert.equal(clock.timers, 0);
});

test('a replica that stands aside takes no place in a queue meanwhile, and goes on with what only it can answer', () => {
  let now = 0;
  const served: string[] = [];
  const bus = {
    serve: (subject: string) => {
      served.push(subject);
      return { close: () => void served.splice(served.indexOf(subject), 1) };
    },
  };
  const attendance = new Attendance(bus, { now: () => now });
  const serve = (subject: string, queue?: string) =>
    attendance.serve(subject, async () => null, queue === undefined ? {} : { queue });
  const closed = serve('closed', 'q');
  serve('open', 'q');
  serve('own');
  now = unreadMsMax;
  attendance.handleBeat();
  attendance.look();
  assert.deepEqual(served, ['closed', 'open', 'own']);
  now += 1;
  attendance.look();
  assert.deepEqual(served, ['own']);
  serve('late', 'q');
  assert.deepEqual(served, ['own']);
  closed.close();
  attendance.handleRead();
  assert.deepEqual(served, ['own', 'open', 'late']);
});
