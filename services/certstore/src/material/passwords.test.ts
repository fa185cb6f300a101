import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Route } from '@postern/contracts';
import { type Store, openSqlite } from '@postern/store';
import { routeNaming } from '../fixture/route-owner.ts';
import { type Documents, openDocuments } from '../document.ts';
import { KeyRing, localKeys } from '../secret/key-ring.ts';
import { Passwords, passwordsMax, unnamedLifeMs, unnamedMax, youngMs } from './passwords.ts';
import type { Use } from '../usage.ts';

const code = (expected: string) => (error: unknown) =>
  error instanceof Error && 'code' in error && error.code === expected;
const place = { gatewayId: 'g1', host: 'proxy.corp', port: 1080, username: 'u' };
const contents = { place, password: 'correct horse' };

describe('passwords of proxies', () => {
  let store: Store;
  let documents: Documents;
  let ring: KeyRing;
  let passwords: Passwords;
  let now = Date.parse('2026-01-01T00:00:00Z');
  const named = new Set<string>();
  const states = new Map<string, 'deleted' | 'not found'>();
  /** How often the router was asked what is used. */
  let asked = 0;

  beforeEach(async () => {
    store = openSqlite(':memory:');
    documents = await openDocuments(store);
    named.clear();
    states.clear();
    const key = randomBytes(32).toString('base64');
    ring = await KeyRing.open(async () => localKeys(key));
    passwords = make(documents);
  });
  afterEach(() => store.close());

  function make(of: Pick<Documents, 'secrets'>): Passwords {
    return new Passwords({
      documents: of,
      usage: {
        of: (id) => (named.has(id) ? ([{ id }] as Use[]) : []),
        demandFresh: async () => void (asked += 1),
        gatewayState: async (gatewayId) => states.get(gatewayId) ?? 'there',
      },
      // What was sealed, opened.
      intake: { open: async (sealed) => JSON.parse(sealed) as unknown },
      wrapper: ring,
      now: () => new Date(now),
    });
  }

  const create = (body: object = contents): Promise<string> => passwords.create(JSON.stringify(body));
  function route(change: Partial<typeof place> = {}): Route {
    const { gatewayId, ...proxy } = { ...place, ...change };
    const one = routeNaming({});
    return { ...one, gatewayId, resource: { ...one.resource, proxy: { type: 'socks5', ...proxy } } };
  }

  it('are stored as envelopes, and given for the gateway, proxy and user that they were given for', async () => {
    const id = await create();
    assert.ok(!JSON.stringify(await documents.secrets.get(id)).includes('correct'));
    assert.deepEqual(await passwords.open(id, [route({ port: 1 }), route()]), contents);
    assert.equal(await passwords.misfitOf(id, place), null);
  });

  const others: Partial<typeof place>[] = [
    { gatewayId: 'g2' },
    { host: 'evil.example' },
    { port: 1081 },
    { username: 'v' },
  ];
  for (const other of others) {
    it(`are given to nobody else: ${JSON.stringify(other)}`, async () => {
      const id = await create();
      await assert.rejects(passwords.open(id, [route(other)]), code('CERTSTORE_NOT_NEEDED'));
      assert.equal((await passwords.misfitOf(id, { ...place, ...other }))?.code, 'CERTSTORE_NOT_NEEDED');
    });
  }

  it('are given to no other address of the proxy than they were given for', async () => {
    const resource = (hosts: Record<string, string>): Route => {
      const one = route();
      return { ...one, resource: { ...one.resource, hosts } };
    };
    const id = await create();
    await assert.rejects(
      passwords.open(id, [resource({ 'Proxy.corp': '203.0.113.9' })]),
      code('CERTSTORE_NOT_NEEDED'),
    );
    assert.deepEqual(await passwords.open(id, [resource({ 'other.corp': '203.0.113.9' })]), contents);
    const given = { ...contents, place: { ...place, address: '10.0.0.9' } };
    assert.deepEqual(
      await passwords.open(await create(given), [resource({ 'proxy.corp': '10.0.0.9' })]),
      given,
    );
  });

  it('that are none are refused: wrong contents, an unknown ID, no route', async () => {
    await assert.rejects(create({ place, password: '' }), code('CERTSTORE_INTAKE_INVALID'));
    await assert.rejects(create({ ...contents, more: 1 }), code('CERTSTORE_INTAKE_INVALID'));
    assert.equal((await passwords.misfitOf('passwordx', place))?.code, 'CERTSTORE_CERTIFICATE_NOT_FOUND');
    await assert.rejects(passwords.open(await create(), []), code('CERTSTORE_NOT_NEEDED'));
  });

  it('are all that is deleted by the ID of one: a key and what else is secret stays', async () => {
    const keys = ['intake', '6f1a', 'sessionTickets'];
    for (const id of keys) await documents.secrets.insert({ id, revision: 1, version: 1, sealed: '' });
    const id = await create();
    for (const one of [...keys, id]) await passwords.delete(one);
    assert.deepEqual(
      (await documents.secrets.list()).items.map((one) => one.id),
      keys.toSorted(),
    );
  });

  it('that are damaged are the fault of the field that names them', async () => {
    const id = await create();
    const stored = await documents.secrets.get(id);
    assert(stored !== null);
    await documents.secrets.replace({ ...stored, sealed: `${stored.sealed.slice(0, -8)}AAAAAAA=` });
    assert.equal((await passwords.misfitOf(id, place))?.code, 'CERTSTORE_SECRET_DAMAGED');
    await assert.rejects(passwords.open(id, [route()]), code('CERTSTORE_SECRET_DAMAGED'));
  });

  it('are at most half of all those of one gateway, so that another has places too', async () => {
    // All but one of the half are told to be there, since to store them takes a second.
    const count: Documents['secrets']['count'] = async (filter) =>
      (await documents.secrets.count(filter)) + passwordsMax / 2 - 1;
    const nearlyFull = make({ secrets: { ...documents.secrets, count } });
    const createFor = (gatewayId: string): Promise<string> =>
      nearlyFull.create(JSON.stringify({ ...contents, place: { ...place, gatewayId } }));
    await createFor('g1');
    await assert.rejects(createFor('g1'), code('CERTSTORE_LIMIT'));
    await createFor('g2');
  });

  it('are refused where there are as many keys and passwords as there may be', async () => {
    const count: Documents['secrets']['count'] = async (filter) => (filter === undefined ? passwordsMax : 0);
    const full = make({ secrets: { ...documents.secrets, count } });
    await assert.rejects(full.create(JSON.stringify(contents)), code('CERTSTORE_LIMIT'));
  });

  it('of which no gateway is known are kept as long as others that no destination names', async () => {
    const { gatewayId, ...stored } = (await documents.secrets.get(await create())) ?? assert.fail();
    assert.equal(gatewayId, 'g1');
    await documents.secrets.insert({ ...stored, id: 'passwordOfNobody', revision: 1 });
    now += youngMs + 1;
    await passwords.sweep(now);
    assert.notEqual(await documents.secrets.get('passwordOfNobody'), null);
    now += unnamedLifeMs + 1;
    await passwords.sweep(now);
    assert.equal(await documents.secrets.get('passwordOfNobody'), null);
  });

  it('that no destination names are dropped after 30 days, others and keys stay', async () => {
    const [used, unused] = [await create(), await create()];
    named.add(used);
    asked = 0;
    await documents.secrets.insert({ id: 'key', revision: 1, version: 1, sealed: '' });
    await passwords.sweep(now);
    assert.equal(await documents.secrets.count(), 3);
    assert.equal(asked, 0, 'nobody is asked about what is too young to go');
    now += youngMs + 1;
    await passwords.sweep(now);
    assert.equal(await documents.secrets.count(), 3);
    now += unnamedLifeMs;
    await passwords.sweep(now);
    assert.notEqual(await documents.secrets.get(unused), null);
    now += 1;
    asked = 0;
    await passwords.sweep(now);
    assert.equal(asked, 2, 'once for all of them, and once more before anything is dropped');
    assert.equal(await documents.secrets.get(unused), null);
    assert.notEqual(await documents.secrets.get(used), null);
    assert.notEqual(await documents.secrets.get('key'), null);
    await passwords.delete(used);
    assert.notEqual(await documents.secrets.get(used), null);
  });

  it('that a destination named for long outlive a router that is put back to a moment before that', async () => {
    const used = await create();
    named.add(used);
    now += 2 * unnamedLifeMs;
    await passwords.sweep(now);
    named.delete(used);
    now += youngMs + 1;
    await passwords.sweep(now);
    named.add(used);
    now += unnamedLifeMs;
    await passwords.sweep(now);
    named.delete(used);
    now += youngMs + 1;
    await passwords.sweep(now);
    assert.deepEqual(await passwords.open(used, [route()]), contents);
  });

  it('that no destination names are kept up to a bound, the latest of them', async () => {
    const first = await create();
    now += youngMs + 1;
    await passwords.sweep(now);
    for (let number = 0; number < unnamedMax / 10; number += 1) await create();
    const other = await create({ ...contents, place: { ...place, gatewayId: 'g2' } });
    now += youngMs + 1;
    await passwords.sweep(now);
    assert.equal(await documents.secrets.count({ gatewayId: 'g1' }), unnamedMax / 10);
    assert.equal(await documents.secrets.get(first), null);
    assert.notEqual(await documents.secrets.get(other), null);
    const stored = await documents.secrets.get(other);
    assert(stored !== null);
    for (let number = 0; number < unnamedMax; number += 1) {
      const gatewayId = `g${Math.floor(number / 50)}-more`;
      const unnamedSince = new Date(now - unnamedMax + number).toISOString();
      await documents.secrets.insert({
        ...stored,
        id: `password${number}`,
        revision: 1,
        gatewayId,
        unnamedSince,
      });
    }
    await passwords.sweep(now);
    assert.equal(await documents.secrets.count(), unnamedMax);
    // Of the others 101 were later.
    assert.equal(await documents.secrets.get('password100'), null);
    assert.notEqual(await documents.secrets.get('password101'), null);
  });

  it('go with their gateway, and stay where the router only does not find it: it may be on another database', async () => {
    const kept = await create();
    const dropped = await create({ ...contents, place: { ...place, gatewayId: 'g2' } });
    states.set('g1', 'not found').set('g2', 'deleted');
    now += youngMs + 1;
    await passwords.sweep(now);
    assert.equal(await documents.secrets.get(dropped), null);
    now += 2 * unnamedLifeMs;
    await passwords.sweep(now);
    assert.notEqual(await documents.secrets.get(kept), null);
  });
});
