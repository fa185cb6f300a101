/** The store's conformance suite against a MongoDB-wire server, or the real MongoDB of POSTERN_TEST_MONGODB_URL. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { connectMongo, type StoredDocument } from '@postern/store';
import { testStore } from '@postern/store/conformance';
import {
  type DocumentServer,
  freePort,
  makeScratch,
  removeScratch,
  startMongodb,
} from '@postern/test-cluster';

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

testStore('MongoDB', async () => {
  const database = `${server.database}_${randomBytes(4).toString('hex')}`;
  return { open: () => connectMongo(server.url, { database }), close: async () => {} };
});

describe('MongoDB', () => {
  it('rejects with STORE_UNREACHABLE after one try when it is not to wait', async () => {
    const url = `mongodb://127.0.0.1:${await freePort('127.0.0.1')}/?directConnection=true`;
    await assert.rejects(connectMongo(url, { waitOnFirstConnect: false }), { code: 'STORE_UNREACHABLE' });
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
});
