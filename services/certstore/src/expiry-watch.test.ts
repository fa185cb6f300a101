import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { type Bus, memoryBus } from '@postern/bus';
import { certificateExpires, listen } from '@postern/contracts';
import { type Store, openSqlite } from '@postern/store';
import { silentLogger } from '@postern/telemetry';
import { type Documents, openDocuments } from './document.ts';
import { ExpiryWatch } from './expiry-watch.ts';
import { RouteOwner, routeNaming } from './fixture/route-owner.ts';
import { Usage } from './usage.ts';

const dayMs = 86_400_000;
const start = Date.parse('2026-01-01T00:00:00Z');

describe('the end of a certificate', () => {
  let bus: Bus;
  let store: Store;
  let documents: Documents;
  let usage: Usage;
  let now: number;
  let told: number[];
  let users: string[][];
  let position: { epoch: string; revision: number };

  beforeEach(async () => {
    bus = memoryBus();
    store = openSqlite(':memory:');
    documents = await openDocuments(store);
    now = start;
    position = { epoch: 'e', revision: 1 };
    told = [];
    users = [];
    // Most of these have no router.
    usage = new Usage(bus, () => {});
    const hear = ({ days, usedBy }: { days: number; usedBy: { destinationId: string }[] }): void => {
      told.push(days);
      users.push(usedBy.map(({ destinationId }) => destinationId));
    };
    listen(bus, certificateExpires, hear, assert.ifError);
    await documents.certificates.insert(ending(start + 40 * dayMs));
  });
  afterEach(async () => {
    await bus.close();
    await store.close();
  });

  const watch = (): ExpiryWatch =>
    new ExpiryWatch({
      bus,
      store,
      documents,
      usage,
      feed: {
        get position() {
          return position;
        },
      },
      logger: silentLogger,
      now: () => new Date(now),
    });

  async function lookAt(day: number, by: readonly ExpiryWatch[]): Promise<number[]> {
    now = start + day * dayMs;
    told = [];
    for (const one of by) await one.look();
    await bus.flush(1_000);
    return told;
  }

  it('is told once at 30, 14, 7 and 1 days and when it has come, whichever replica looks', async () => {
    const both = [watch(), watch()];
    const days = [5, 9.9, 10.1, 12, 26.1, 33.1, 38, 39.1, 39.5, 40.1, 50];
    const seen: number[][] = [];
    for (const day of days) seen.push(await lookAt(day, both));
    assert.deepEqual(seen, [[], [], [30], [], [14], [7], [], [1], [], [0], []]);
    assert.deepEqual(
      both[0]?.expiring.map(({ name }) => name),
      ['shop'],
    );
  });

  it('is told at once where much time was passed, and not what is past', async () => {
    assert.deepEqual(await lookAt(39.5, [watch()]), [1]);
  });

  it('is looked for when a certificate was changed or one comes to a bound, and not else', async () => {
    const one = watch();
    const lookWhenDue = async (day: number): Promise<number[]> => {
      now = start + day * dayMs;
      told = [];
      await one.lookWhenDue();
      await bus.flush(1_000);
      return told;
    };
    const seen: number[][] = [];
    for (const day of [0, 9.9, 10.1, 20, 26.1, 40.1]) seen.push(await lookWhenDue(day));
    assert.deepEqual(seen, [[], [], [30], [], [14], [0]]);
    await documents.certificates.insert({ ...ending(start + 41 * dayMs), id: 'c2' });
    assert.deepEqual(await lookWhenDue(40.2), []);
    position = { ...position, revision: 2 };
    assert.deepEqual(await lookWhenDue(40.2), [1]);
    await documents.certificates.delete('c1');
    await documents.certificates.delete('c2');
    position = { ...position, revision: 3 };
    await lookWhenDue(40.2);
    assert.deepEqual(one.expiring, []);
  });

  it('is told with the destinations that use it, also at a start', async () => {
    const router = new RouteOwner(bus);
    router.set(routeNaming({ front: 'c1' }));
    usage.start();
    assert.deepEqual(await lookAt(39.5, [watch()]), [1]);
    assert.deepEqual(users, [['d1']]);
    await usage.stop();
    router.close();
  });

  it('is told again in its time where a clock that was ahead had it told', async () => {
    const one = watch();
    const seen: number[][] = [];
    for (const day of [50, 9, 10.1, 12, 39.5]) seen.push(await lookAt(day, [one]));
    assert.deepEqual(seen, [[0], [], [30], [], [1]]);
  });

  it('leaves nothing behind of a certificate that is gone', async () => {
    const told = await store.collection('certstore_expiry');
    await lookAt(39.5, [watch()]);
    assert.equal(await told.count(), 1);
    await documents.certificates.delete('c1');
    await lookAt(39.6, [watch()]);
    assert.equal(await told.count(), 0);
  });

  it('is forgotten with new contents', async () => {
    const one = watch();
    assert.deepEqual(await lookAt(39.5, [one]), [1]);
    const [held] = (await documents.certificates.list()).items;
    await documents.certificates.replace({
      ...held!,
      ...ending(start + 90 * dayMs),
      revision: held!.revision,
      contentRevision: 2,
    });
    assert.deepEqual(await lookAt(39.6, [one]), []);
    assert.deepEqual(one.expiring, []);
    assert.deepEqual(await lookAt(70, [one]), [30]);
  });
});

function ending(at: number) {
  const time = new Date(start).toISOString();
  return {
    id: 'c1',
    revision: 1,
    createdAt: time,
    modifiedAt: time,
    name: 'shop',
    kind: 'server' as const,
    subject: 'CN=shop',
    san: [],
    issuer: 'CN=ca',
    notBefore: time,
    notAfter: new Date(at).toISOString(),
    fingerprint: 'f',
    key: 'ECDSA P-256',
    certificates: 1,
    hasKey: false,
    contentRevision: 1,
    issuerId: null,
    chainPem: '',
  };
}
