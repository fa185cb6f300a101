/** The store's conformance suite against a MongoDB-wire server, or the real MongoDB of POSTERN_TEST_MONGODB_URL. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { type TestContext, after, before, describe, it } from 'node:test';
import type { StoredDocument } from '@postern/store';
import { connectMongo } from '@postern/store/mongo';
import { type StorePlace, testStore } from '@postern/store/conformance';
import { testMigration } from '@postern/store/conformance/migration';
import {
  CuttableProxy,
  type DocumentServer,
  makeScratch,
  removeScratch,
  startMongodb,
} from '@postern/test-cluster';
import { freePort } from '@postern/test-kit';

interface Thing extends StoredDocument {
  [key: string]: unknown;
}

let folder: string;
let server: DocumentServer;

before(async () => {
  folder = await makeScratch('conformance-mongodb');
  server = await startMongodb(folder, '127.0.0.1');
});

after(async () => {
  await server.part?.stop();
  removeScratch(folder);
});

async function place(): Promise<StorePlace> {
  const database = `${server.database}_${randomBytes(4).toString('hex')}`;
  return { open: () => connectMongo(server.url, { database }), close: async () => {} };
}

/** A store of its own whose way to the server can be cut and slowed. */
async function openByProxy(name: string) {
  const { hostname, port } = new URL(server.url);
  const proxy = await CuttableProxy.listen({ host: hostname, port: Number(port) });
  const url = `mongodb://127.0.0.1:${proxy.port}/?directConnection=true`;
  const store = await connectMongo(url, { database: `${server.database}_${name}` });
  return { proxy, store, things: await store.collection<Thing>('things') };
}

testStore('MongoDB', place);
testMigration('MongoDB', place);

describe('MongoDB', () => {
  it('rejects with STORE_UNREACHABLE after one try when its signal has ended the waiting before', async () => {
    const url = `mongodb://127.0.0.1:${await freePort('127.0.0.1')}/?directConnection=true`;
    await assert.rejects(connectMongo(url, { signal: AbortSignal.abort() }), { code: 'STORE_UNREACHABLE' });
  });

  it('waits for the first answer until its signal ends that, and tells of each failed try', async () => {
    const url = `mongodb://127.0.0.1:${await freePort('127.0.0.1')}/?directConnection=true`;
    const controller = new AbortController();
    const errors: unknown[] = [];
    const onError = (error: unknown): void => {
      if (errors.push(error) === 2) controller.abort();
    };
    await assert.rejects(connectMongo(url, { signal: controller.signal, onError }), {
      code: 'STORE_UNREACHABLE',
    });
    assert.equal(errors.length, 2);
  });

  it('keeps what was acknowledged when the server is killed, says STORE_UNREACHABLE meanwhile, and goes on', async (context) => {
    const { part } = server;
    if (part === null) return context.skip('the server is not ours to kill');
    const store = await connectMongo(server.url, { database: `${server.database}_killed` });
    const things = await store.collection<StoredDocument>('things');
    await things.insert({ id: 'a', revision: 0 });
    part.kill('SIGKILL');
    await part.exited;
    await assert.rejects(things.get('a'), { code: 'STORE_UNREACHABLE' });
    await assert.rejects(things.insert({ id: 'b', revision: 0 }), { code: 'STORE_UNREACHABLE' });
    await assert.rejects(
      store.transaction(async (within) => within(things).get('a')),
      { code: 'STORE_UNREACHABLE' },
    );
    await assert.rejects(store.ping(), { code: 'STORE_UNREACHABLE' });
    await part.start();
    assert.deepEqual(await things.get('a'), { id: 'a', revision: 1 });
    await things.insert({ id: 'c', revision: 0 });
    await store.close();
  });

  it('makes a transaction once, whose connection is cut in the middle or under its commit', async () => {
    const { proxy, store, things } = await openByProxy('cut');
    await things.insert({ id: 'a', revision: 1, count: 0 });
    const times = 20;
    for (let time = 0; time < times; time += 1) {
      let runs = 0;
      await store.transaction(async (within) => {
        runs += 1;
        const inside = within(things);
        const found = await inside.get('a');
        assert(found !== null);
        if (runs === 1 && time % 2 === 0) proxy.cut();
        await inside.replace({ ...found, count: Number(found['count']) + 1 });
        if (runs === 1 && time % 2 === 1) proxy.cut();
      });
    }
    assert.equal((await things.get('a'))?.['count'], times);
    await store.close();
    await proxy.close();
  });

  it('makes a transaction once, in the middle of which the server stood still until the driver gave its connections up', async () => {
    const { proxy, store, things } = await openByProxy('still');
    await things.insert({ id: 'a', revision: 1, count: 0 });
    let runs = 0;
    await store.transaction(
      async (within) => {
        runs += 1;
        if (runs > 1) proxy.resume();
        const inside = within(things);
        const found = await inside.get('a');
        assert(found !== null);
        if (runs === 1) proxy.blackHole();
        await inside.replace({ ...found, count: Number(found['count']) + 1 });
      },
      { withinMs: 60_000 },
    );
    assert.equal((await things.get('a'))?.['count'], 1);
    await store.close();
    await proxy.close();
  });

  it('says STORE_OVERLOADED of what a slow database left waiting, and does all that it began', async () => {
    const { proxy, store, things } = await openByProxy('slow');
    proxy.delay(400);
    const ids = Array.from({ length: 200 }, (_, n) => String(n).padStart(3, '0'));
    const results = await Promise.allSettled(ids.map((id) => things.insert({ id, revision: 0 })));
    const isDone = (n: number): boolean => results[n]?.status === 'fulfilled';
    const codes = results.flatMap((one) => (one.status === 'rejected' ? [one.reason.code as string] : []));
    assert.deepEqual([...new Set(codes)], ['STORE_OVERLOADED']);
    proxy.delay(0);
    const { items } = await things.list({ limit: 200 });
    assert.deepEqual(
      items.map(({ id }) => id),
      ids.filter((_, n) => isDone(n)),
      'what it says of each is so',
    );
    await store.close();
    await proxy.close();
  });

  describe('of a transaction that another process is in the middle of', () => {
    const other = (database: string): ChildProcess =>
      spawn(
        process.execPath,
        [
          '--input-type=module',
          '-e',
          `
            import { once } from 'node:events';
            import { connectMongo } from '@postern/store/mongo';
            const store = await connectMongo(${JSON.stringify(server.url)}, { database: '${database}' });
            const things = await store.collection('things');
            let runs = 0;
            await store.transaction(async (within) => {
              runs += 1;
              const { count } = await within(things).get('a');
              await within(things).put({ id: 'a', revision: 1, count: count + 1 });
              if (runs > 1) return;
              console.log('written');
              await once(process.stdin, 'data');
            });
            console.log('runs ' + runs);
            await store.close();
            process.exit(0);`,
        ],
        { cwd: import.meta.dirname, stdio: ['pipe', 'pipe', 'inherit'] },
      );

    /** A process that has written the one document of a database, and waits before it commits. */
    const withWriter = async (context: TestContext, name: string) => {
      const database = `${server.database}_${name}`;
      const store = await connectMongo(server.url, { database });
      context.after(() => store.close());
      const things = await store.collection<Thing>('things');
      await things.insert({ id: 'a', revision: 1, count: 0 });
      const process = other(database);
      context.after(() => process.kill('SIGKILL'));
      const lines = createInterface({ input: process.stdout as Readable })[Symbol.asyncIterator]();
      assert.equal((await lines.next()).value, 'written');
      return { store, things, process, lines };
    };

    for (const [how, signal] of [
      ['is killed', 'SIGKILL'],
      ['stands still', 'SIGSTOP'],
    ] as const) {
      it(`waits for seconds only where that ${how}`, async (context) => {
        const { store, things, process, lines } = await withWriter(context, signal);
        process.kill(signal);
        await store.transaction((within) => within(things).put({ id: 'a', revision: 1, count: 10 }));
        if (signal === 'SIGSTOP') {
          process.kill('SIGCONT');
          process.stdin?.write('go on\n');
          assert.equal((await lines.next()).value, 'runs 2');
        }
        assert.equal((await things.get('a'))?.['count'], signal === 'SIGSTOP' ? 11 : 10);
      });
    }

    it('leaves it alone while that is there, however long it lasts', async (context) => {
      const { store, things, process, lines } = await withWriter(context, 'long');
      const put = { id: 'a', revision: 1, count: 10 };
      await assert.rejects(store.transaction((within) => within(things).put(put), { withinMs: 6_000 }));
      process.stdin?.write('go on\n');
      assert.equal((await lines.next()).value, 'runs 1');
      assert.equal((await things.get('a'))?.['count'], 1);
    });
  });

  it('lets a migration that was killed be brought to its end by the next process', async () => {
    const database = `${server.database}_migration`;
    const store = await connectMongo(server.url, { database });
    const things = await store.collection<Thing>('things');
    for (let n = 0; n < 130; n += 1)
      await things.insert({ id: String(n).padStart(3, '0'), revision: 1, old: n });
    const source = `
      import { migrate } from '@postern/store';
      import { connectMongo } from '@postern/store/mongo';
      const store = await connectMongo(${JSON.stringify(server.url)}, { database: ${JSON.stringify(database)} });
      const steps = [{ compatible: false, change: ({ old, ...rest }) => ({ now: old, ...rest }) }];
      const collection = await store.collection('things', { steps });
      const onProgress = ({ documents }) => console.log('brought on ' + documents);
      await migrate(store, { room: 'box', collections: [collection], leaseMs: 500, onProgress });
      const { items } = await collection.list({ limit: 1000 });
      console.log('all ' + items.filter(({ now }) => typeof now === 'number').length);
      await store.close();`;
    const start = (): ChildProcess =>
      spawn(process.execPath, ['--input-type=module', '-e', source], {
        cwd: import.meta.dirname,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
    const killed = start();
    for await (const chunk of killed.stdout ?? []) {
      if (String(chunk).includes('brought on')) killed.kill('SIGKILL');
    }
    const left = await things.count({ documentVersion: null });
    assert(left < 130, 'something was brought on before the kill');
    const [next, other] = [start(), start()];
    const told = await Promise.all([next, other].map((one) => text(one.stdout as Readable)));
    for (const lines of told) assert.match(lines, /all 130/);
    assert.equal(await things.count({ documentVersion: 2 }), 130);
    await store.close();
  });
});
