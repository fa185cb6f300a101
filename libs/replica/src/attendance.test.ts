import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryHub } from '@postern/bus';
import { answer, ask, getGateway, listen, policyFeed, ServiceError } from '@postern/contracts';
import { openSqlite, type Store } from '@postern/store';
import { Attendance, wellMsMax } from './attendance.ts';
import { FeedOwner } from './feed-owner.ts';
import { settle } from './feed.fixture.ts';
import { ManualClock } from './manual-clock.fixture.ts';

const seconds = (ms?: number): number | undefined => ms && Math.round(ms / 1000);

/** Replicas of one owner, and who of them answers. */
class Replicas {
  readonly clock = new ManualClock();
  readonly #hub = new MemoryHub();
  readonly #bus = this.#hub.connect();
  /** By how many seconds the clocks were off of which beats told, since the last look. */
  readonly told = new Set<number | undefined>();

  constructor() {
    listen(this.#bus, policyFeed.beat, ({ clockMs }) => this.told.add(seconds(clockMs)), assert.ifError);
  }

  /** One, the store of which can be taken away, and whose clock can be moved. */
  async start(name: string, startsAheadMs = 0) {
    const store = openSqlite(':memory:');
    let [isThere, aheadMs] = [true, startsAheadMs];
    const collection: Store['collection'] = async (...which) => {
      const found = await store.collection(...which);
      const get: typeof found.get = async (id) => {
        if (!isThere) throw new Error('out of reach');
        return found.get(id);
      };
      return { ...found, get } as never;
    };
    const transaction: Store['transaction'] = (work) => store.transaction(work);
    const owner = await FeedOwner.open({
      feed: policyFeed,
      store: { ...store, collection, transaction, time: async () => Date.now() - aheadMs },
      bus: this.#hub.connect(),
      clock: this.clock,
      source: { read: async () => [], list: async () => ({ items: [], nextCursor: null }) },
      onError: () => {},
    });
    const refuse = (): never => {
      throw new ServiceError({ code: name, message: '', status: 404 });
    };
    const serving = answer(owner.attendance, getGateway, refuse, { queue: 'owner' });
    return {
      reach: (there: boolean) => (isThere = there),
      setAhead: (ms: number) => (aheadMs = ms),
      stop: async () => {
        serving.close();
        await owner.stop();
        await store.close();
      },
    };
  }

  async answering(): Promise<string[]> {
    const names = new Set<string>();
    for (let asked = 0; asked < 10; asked += 1)
      await ask(this.#bus, getGateway, { id: 'x' }).catch((error: ServiceError) => names.add(error.code));
    return [...names].sort();
  }

  async pass(seconds: number): Promise<void> {
    for (let passed = 0; passed < seconds; passed += 1) {
      await settle();
      this.clock.advance(1_000);
    }
    await settle();
  }
}

test('a replica that alone cannot read its documents leaves the queue to those that can, until it can again or nobody can', async () => {
  const replicas = new Replicas();
  const [first, second] = [await replicas.start('first'), await replicas.start('second')];
  await replicas.pass(5);
  assert.deepEqual(await replicas.answering(), ['first', 'second']);
  first.reach(false);
  await replicas.pass(5);
  assert.deepEqual(await replicas.answering(), ['second']);
  second.reach(false);
  await replicas.pass(5);
  assert.deepEqual(await replicas.answering(), ['first', 'second']);
  second.reach(true);
  await replicas.pass(5);
  assert.deepEqual(await replicas.answering(), ['second']);
  first.reach(true);
  await replicas.pass(2);
  assert.deepEqual(await replicas.answering(), ['first', 'second']);
  await Promise.all([first.stop(), second.stop()]);
  assert.equal(replicas.clock.timers, 0);
});

test('a replica whose clock alone is not the database’s leaves the queue to the others, and says why in its beats', async () => {
  const replicas = new Replicas();
  const [first, second] = [await replicas.start('first'), await replicas.start('second')];
  await replicas.pass(2);
  first.setAhead(4_000);
  await replicas.pass(2);
  assert.deepEqual(await replicas.answering(), ['first', 'second']);
  assert.deepEqual([...replicas.told], [undefined]);
  for (const [ms, told] of [
    [100 * 86_400_000, 8_640_000],
    [-60_000, -60],
  ] as const) {
    first.setAhead(ms);
    await replicas.pass(5);
    assert.deepEqual(await replicas.answering(), ['second']);
    assert.ok(replicas.told.has(told), [...replicas.told].join());
    await replicas.pass(10);
    assert.deepEqual(await replicas.answering(), ['second']);
  }
  second.setAhead(-60_000);
  for (let seconds = 0; seconds < 5; seconds += 1) {
    await replicas.pass(1);
    assert.ok((await replicas.answering()).includes('second'), 'somebody answers all the time');
  }
  assert.deepEqual(await replicas.answering(), ['first', 'second'], 'it may be the database’s that is wrong');
  first.setAhead(0);
  await replicas.pass(2);
  assert.deepEqual(await replicas.answering(), ['first']);
  await Promise.all([first.stop(), second.stop()]);
});

test('a replica that starts with a wrong clock answers nothing before it has listened for others', async () => {
  const replicas = new Replicas();
  const first = await replicas.start('first', 86_400_000);
  assert.deepEqual(await replicas.answering(), ['BUS_NO_RESPONDER']);
  await replicas.pass(3);
  assert.deepEqual(await replicas.answering(), ['first']);
  const second = await replicas.start('second');
  await replicas.pass(1);
  assert.deepEqual(await replicas.answering(), ['second']);
  const third = await replicas.start('third', -86_400_000);
  assert.deepEqual(await replicas.answering(), ['second']);
  await replicas.pass(10);
  assert.deepEqual(await replicas.answering(), ['second']);
  await Promise.all([first.stop(), second.stop(), third.stop()]);
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
  const attendance = new Attendance(bus, { now: () => now }, true);
  const serve = (subject: string, queue?: string) =>
    attendance.serve(subject, async () => null, queue === undefined ? {} : { queue });
  const closed = serve('closed', 'q');
  serve('open', 'q');
  serve('own');
  now = wellMsMax;
  attendance.handleBeat();
  attendance.look();
  assert.deepEqual(served, ['closed', 'open', 'own']);
  now += 1;
  attendance.look();
  assert.deepEqual(served, ['own']);
  serve('late', 'q');
  assert.deepEqual(served, ['own']);
  closed.close();
  attendance.handleWell();
  assert.deepEqual(served, ['own', 'open', 'late']);
});
