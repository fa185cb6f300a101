/**
 * Feeds over a real NATS server and a MongoDB-wire server: several replicas of an owner that change at once lose no
 * change, and a follower has all of it, also when either server is killed and started again in the middle.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { connectNats, type Bus } from '@postern/bus';
import { policyFeed, type Policy } from '@postern/contracts';
import { FeedFollower, FeedOwner } from '@postern/replica';
import { StoreError, type Collection, type Store, type StoredDocument } from '@postern/store';
import { connectMongo } from '@postern/store/mongo';
import {
  type DocumentServer,
  makeScratch,
  type NatsServer,
  removeScratch,
  startMongodb,
  startNats,
} from '@postern/test-cluster';

interface Gateway extends StoredDocument {
  count: number;
}

interface Replica {
  owner: FeedOwner;
  store: Store;
  gateways: Collection<Gateway>;
}

let folder: string;
let nats: NatsServer;
let mongodb: DocumentServer;
const running: { close(): Promise<void> }[] = [];

before(async () => {
  folder = await makeScratch('conformance-replica');
  [[nats], mongodb] = await Promise.all([
    startNats(folder, ['127.0.0.1']) as Promise<[NatsServer]>,
    startMongodb(folder, '127.0.0.1'),
  ]);
});

afterEach(async () => {
  for (const one of running.splice(0).reverse()) await one.close();
});

after(async () => {
  await Promise.all([nats.part.stop(), mongodb.part?.stop()]);
  removeScratch(folder);
});

it('loses no change of several replicas at once', async () => {
  const first = await openReplica('at_once');
  const replicas = [first, await openReplica('at_once'), await openReplica('at_once')];
  const follower = await follow();
  await Promise.all(replicas.flatMap((replica) => ['a', 'b'].map((id) => raise(replica, id, 3))));
  await until(() => follower.get('a')?.gatewayName === '9' && follower.get('b')?.gatewayName === '9');
  await until(() => follower.position.revision === 1 + 3 * 2 * 3);
  assert.equal((await first.gateways.get('a'))?.count, 9);
});

it('makes a long change while another replica makes one short change after the other', async () => {
  const [long, short] = [await openReplica('long'), await openReplica('long')];
  await raise(short, 'a', 1);
  const made = new AbortController();
  const busy = (async () => {
    while (!made.signal.aborted) await raise(short, 'a', 1);
  })();
  const { store, owner, gateways } = long;
  const change = store.transaction(async (within) => {
    const log = await owner.raise(within);
    for (let read = 0; read < 200; read += 1) await within(gateways).get('a');
    await within(gateways).put({ id: 'b', revision: 1, count: 1 });
    await log(['b']);
  });
  await change.finally(() => made.abort());
  await busy;
  assert.equal((await gateways.get('b'))?.count, 1);
});

it('catches up after either server was killed and started again', async (context) => {
  if (mongodb.part === null) return context.skip('the server is not ours to kill');
  const replica = await openReplica('killed');
  const follower = await follow();
  await raise(replica, 'a', 1);
  await until(() => follower.get('a')?.gatewayName === '1');
  nats.part.kill('SIGKILL');
  await nats.part.exited;
  await raise(replica, 'a', 1);
  assert.equal(follower.get('a')?.gatewayName, '1');
  await nats.part.start();
  await until(() => follower.get('a')?.gatewayName === '2');
  mongodb.part.kill('SIGKILL');
  await mongodb.part.exited;
  await assert.rejects(raise(replica, 'a', 1), { code: 'STORE_UNREACHABLE' });
  assert.equal(follower.get('a')?.gatewayName, '2');
  await mongodb.part.start();
  await raise(replica, 'a', 1);
  await until(() => follower.get('a')?.gatewayName === '3');
});

async function openReplica(database: string): Promise<Replica> {
  const store = await connectMongo(mongodb.url, { database: `${mongodb.database}_${database}` });
  const gateways = await store.collection<Gateway>('gateways');
  const toPolicy = ({ id, count }: Gateway): Policy => {
    const lists = { accessListRevision: 1, accessList: [], sourceRules: [], revokedTokens: [] };
    return { id, gatewayName: String(count), enabled: true, requireToken: true, ...lists };
  };
  const bus = await connect();
  const owner = await FeedOwner.open({
    feed: policyFeed,
    store,
    bus,
    onError: () => {},
    source: {
      read: async (ids) => {
        const found = await Promise.all(ids.map((id) => gateways.get(id)));
        return found.flatMap((gateway) => (gateway === null ? [] : [toPolicy(gateway)]));
      },
      list: async (cursor) => {
        const page = await gateways.list({ cursor });
        return { ...page, items: page.items.map(toPolicy) };
      },
    },
  });
  running.push({ close: async () => (await owner.stop(), await store.close()) });
  return { owner, store, gateways };
}

async function follow(): Promise<FeedFollower<typeof Policy>> {
  const follower = new FeedFollower<typeof Policy>({
    feed: policyFeed,
    bus: await connect(),
    onError: () => {},
  });
  follower.start();
  running.push({ close: () => follower.stop() });
  await follower.synced;
  return follower;
}

async function connect(): Promise<Bus> {
  const bus = await connectNats({ servers: nats.url, name: 'conformance', onError: () => {} });
  running.push(bus);
  return bus;
}

/** Raises the count of a gateway so many times, as an owner does: again when another replica was faster. */
async function raise({ owner, store, gateways }: Replica, id: string, times: number): Promise<void> {
  for (let done = 0; done < times;) {
    try {
      await store.transaction(async (within) => {
        const inside = within(gateways);
        const found = await inside.get(id);
        if (found === null) await inside.insert({ id, revision: 0, count: 1 });
        else await inside.replace({ ...found, count: found.count + 1 });
        await owner.record(within, [id]);
      });
      owner.beat();
      done += 1;
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== 'STORE_DUPLICATE') throw error;
    }
  }
}

/** What is waited for comes by beats of the follower's, which tells of changes only; so it is looked at. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await delay(10);
}
