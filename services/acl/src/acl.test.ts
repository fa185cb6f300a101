import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { MemoryHub, type Bus } from '@postern/bus';
import {
  aclChanged,
  addSourceRule,
  ask,
  backupQuestions,
  createApiKey,
  createToken,
  deleteApiKey,
  explainAccess,
  followGateway,
  getAccessList,
  getSourceRules,
  getToken,
  listApiKeys,
  listTicketKeys,
  listTokens,
  listen,
  newToken,
  nodeSnapshot,
  openSession,
  policyFeed,
  putAccessList,
  putSourceRules,
  revokeToken,
  secretHash,
  verifyApiKey,
  type Change,
  type NewToken,
  type TokenInput,
  type TunnelPresence,
} from '@postern/contracts';
import { PresenceAnnouncer } from '@postern/replica';
import { type Store, StoreError, type StoredDocument, newId, openSqlite } from '@postern/store';
import { Metrics, silentLogger } from '@postern/telemetry';
import { until } from '@postern/test-kit';
import {
  calculateJwkThumbprint,
  createLocalJWKSet,
  decodeProtectedHeader,
  exportJWK,
  generateKeyPair,
  jwtVerify,
} from 'jose';
import { Secret } from '@postern/config';
import { FakeRouter, policies } from './fake-router.ts';
import type { AclOptions } from './config.ts';
import { openDocuments } from './document.ts';
import { createAcl } from './index.ts';

const dayMs = 86_400_000;
const defaults: AclOptions = {
  tokensPerGatewayMax: 5,
  apiKeysMax: 3,
  forgetAfterDays: 30,
  ticketKeyHours: 24,
};
const facts = { name: 'host', version: '0.1.0', platform: 'linux x64' };
const { publicKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519' });
const jwk = { kty: 'OKP' as const, crv: 'Ed25519' as const, x: (await exportJWK(publicKey)).x ?? '' };

/** As admin asks: it makes the token, and only the hash crosses the bus. */
async function makeToken(bus: Bus, order: { gatewayId: string; input: TokenInput }): Promise<NewToken> {
  const token = newToken();
  return { ...(await ask(bus, createToken, { ...order, hash: secretHash(token) })), token };
}

async function setUp(t: TestContext, options: Partial<AclOptions> = {}) {
  const store = openSqlite(':memory:');
  const hub = new MemoryHub();
  const bus: Bus = hub.connect();
  const clock = { now: Date.parse('2026-01-01T00:00:00Z') };
  const router = await FakeRouter.start(hub.connect());
  const make = (metrics?: Metrics) =>
    createAcl({
      bus: hub.connect(),
      store,
      config: { ...defaults, ...options },
      logger: silentLogger,
      ...(metrics === undefined ? {} : { metrics }),
      now: () => clock.now,
    });
  const acl = make();
  router.put({ id: 'plant', name: 'Plant', enabled: true, requireToken: true });
  await acl.start();
  t.after(async () => {
    await acl.stop();
    await router.stop();
    await store.close();
  });
  return { bus, clock, router, acl, store, make };
}

const open = (bus: Bus, token: string | null, gatewayId = 'plant') =>
  ask(bus, openSession, {
    gatewayId,
    tokenHash: token === null ? null : secretHash(token),
    publicKey: jwk,
    facts,
    address: '192.0.2.1',
  });

/** Puts what one acl holds in place of what another does. */
async function restore(from: Bus, to: Bus): Promise<void> {
  const { begin, read, beginRestore, chunk, commit } = backupQuestions('acl');
  const { handle, ...part } = await ask(from, begin, {});
  const [replica = '', snapshot = ''] = handle.split('.');
  const { data } = await ask(from, read, { snapshot, offset: 0 }, { suffix: replica });
  const restoreId = newId();
  await ask(to, beginRestore, { restoreId, part, overwrite: true });
  await ask(to, chunk, { restoreId, index: 0, data });
  await ask(to, commit, { restoreId });
}

/** Resolves when a node that has started has answered acl, which believes it then. */
async function untilAnswered(bus: Bus): Promise<void> {
  await bus.flush(1_000);
  // What acl has asked is answered before this.
  await ask(bus, nodeSnapshot, {}, { suffix: 'edge-1' });
}

function startNode(t: TestContext, bus: Bus): PresenceAnnouncer {
  const address = { node: 'edge-1', zone: '', host: '127.0.0.1', port: 9000, serverName: 'edge-1' };
  const node = new PresenceAnnouncer({
    bus,
    node: 'edge-1',
    bootId: 'boot-of-edge-1',
    startedAt: new Date().toISOString(),
    version: '0.1.0',
    describe: () => ({ address, ready: true, draining: false }),
    onError: assert.ifError,
  });
  node.start();
  t.after(() => node.stop());
  return node;
}

function tunnel(clientId: string, ownRules: TunnelPresence['ownRules']): TunnelPresence {
  return {
    tunnelId: `tunnel-of-${clientId}`,
    gatewayId: 'plant',
    clientId,
    bootId: `boot-of-${clientId}`,
    tokenId: null,
    transport: 'direct',
    address: '192.0.2.1',
    connectedAt: new Date().toISOString(),
    facts,
    ownRules,
  };
}

async function policyOf(bus: Bus, gatewayId: string) {
  const { items } = await ask(bus, policyFeed.since, { epoch: '', revision: 0 });
  return items.find(({ id }) => id === gatewayId);
}

test('a client with a valid token gets two tickets that every node can verify by itself', async (t) => {
  const { bus, clock } = await setUp(t);
  const { id, token } = await makeToken(bus, { gatewayId: 'plant', input: {} });
  const session = await open(bus, token);
  const { keys } = await ask(bus, listTicketKeys, {});
  const keySet = createLocalJWKSet({ keys });
  const options = { issuer: 'postern-acl', audience: 'postern-tunnel', currentDate: new Date(clock.now) };
  const ticket = await jwtVerify(session.ticket, keySet, options);
  const reserve = await jwtVerify(session.reserveTicket, keySet, options);
  const issuedAt = clock.now / 1000;
  const claims = {
    iss: 'postern-acl',
    aud: 'postern-tunnel',
    sub: session.clientId,
    gw: 'plant',
    tok: id,
    iat: issuedAt,
    cnf: { jwk },
  };
  assert.deepEqual(ticket.payload, { ...claims, use: 'session', exp: issuedAt + 300 });
  assert.deepEqual(reserve.payload, { ...claims, use: 'reserve', exp: issuedAt + 3600 });
  assert.deepEqual(session.gateway, { id: 'plant', name: 'Plant' });
  assert.equal(session.ticketExpiresAt, new Date(clock.now + 300_000).toISOString());
});

test("a client's ID comes from its key, so it stays and nobody else can have it", async (t) => {
  const { bus } = await setUp(t);
  const { token } = await makeToken(bus, { gatewayId: 'plant', input: {} });
  const first = await open(bus, token);
  assert.equal(first.clientId, `plant_${(await calculateJwkThumbprint(jwk)).slice(0, 20)}`);
  assert.equal((await open(bus, token)).clientId, first.clientId);
});

test('each refusal of a session has its code', async (t) => {
  const { bus, router, clock } = await setUp(t);
  router.put({ id: 'other', name: 'Other', enabled: true, requireToken: true });
  const { id, token } = await makeToken(bus, { gatewayId: 'plant', input: { expiresInDays: 1 } });
  await assert.rejects(open(bus, token, 'nowhere'), (error: { code: string; body: { status: number } }) => {
    assert.deepEqual([error.code, error.body.status], ['ACL_GATEWAY_UNKNOWN', 403]);
    return true;
  });
  await assert.rejects(open(bus, null), { code: 'ACL_TOKEN_MISSING' });
  await assert.rejects(open(bus, 'guess'), { code: 'ACL_TOKEN_WRONG' });
  await assert.rejects(open(bus, token, 'other'), { code: 'ACL_TOKEN_WRONG' });
  clock.now += dayMs;
  await assert.rejects(open(bus, token), { code: 'ACL_TOKEN_EXPIRED' });
  await ask(bus, revokeToken, { gatewayId: 'plant', id });
  await assert.rejects(open(bus, token), { code: 'ACL_TOKEN_REVOKED' });
  await router.change({ id: 'plant', name: 'Plant', enabled: false, requireToken: true }, bus);
  await assert.rejects(open(bus, token), { code: 'ACL_GATEWAY_DISABLED' });
});

test('where no token is asked for none is needed, but one that is shown must be right', async (t) => {
  const { bus, router } = await setUp(t);
  await router.change({ id: 'plant', name: 'Plant', enabled: true, requireToken: false }, bus);
  const { ticket } = await open(bus, null);
  assert.equal(JSON.parse(Buffer.from(ticket.split('.')[1] ?? '', 'base64url').toString()).tok, null);
  await assert.rejects(open(bus, 'guess'), { code: 'ACL_TOKEN_WRONG' });
});

test('replicas that hear of a gateway at the same moment make one policy of it', async (t) => {
  const { bus, router, make } = await setUp(t);
  const other = make();
  await other.start();
  t.after(() => other.stop());
  router.put({ id: 'new', name: 'New', enabled: true, requireToken: true });
  await Promise.all(Array.from({ length: 8 }, () => ask(bus, followGateway, { id: 'new' })));
  const { items } = await ask(bus, policyFeed.since, { epoch: '', revision: 0 });
  assert.deepEqual(items.map(({ id }) => id).toSorted(), ['new', 'plant']);
});

test('a token that has expired only by a clock that is not the database’s is refused for now, not for good', async (t) => {
  const { bus, clock, store } = await setUp(t);
  const { token } = await makeToken(bus, { gatewayId: 'plant', input: { expiresInDays: 1 } });
  const truth = clock.now;
  store.time = async () => truth;
  clock.now += 100 * dayMs;
  await assert.rejects(open(bus, token), (error: { code: string; body: { status: number } }) => {
    assert.deepEqual([error.code, error.body.status], ['STORE_CLOCK_OFF', 503]);
    return true;
  });
  store.time = async () => clock.now;
  await assert.rejects(open(bus, token), { code: 'ACL_TOKEN_EXPIRED' });
});

test('a client of a gateway that acl knows gets its session while the router is away', async (t) => {
  const { bus, router } = await setUp(t);
  const { token } = await makeToken(bus, { gatewayId: 'plant', input: {} });
  router.silence();
  await open(bus, token);
});

test('no ticket outlives its token', async (t) => {
  const { bus, clock } = await setUp(t);
  const { token, expiresAt } = await makeToken(bus, {
    gatewayId: 'plant',
    input: { expiresInDays: 1 },
  });
  clock.now += dayMs - 60_000;
  const session = await open(bus, token);
  assert.deepEqual([session.ticketExpiresAt, session.reserveTicketExpiresAt], [expiresAt, expiresAt]);
});

test('a token is shown once and kept as a hash; several are valid at once', async (t) => {
  const { bus, store, clock } = await setUp(t);
  const first = await makeToken(bus, { gatewayId: 'plant', input: { note: 'old' } });
  const second = await makeToken(bus, { gatewayId: 'plant', input: { expiresInDays: 0 } });
  assert.match(first.token, /^pt_[A-Za-z0-9_-]{43}$/);
  assert.equal(first.expiresAt, new Date(clock.now + 90 * dayMs).toISOString());
  assert.equal(second.expiresAt, null);
  await open(bus, first.token);
  await open(bus, second.token);
  const listed = await ask(bus, listTokens, { gatewayId: 'plant' });
  assert.deepEqual(
    listed.items.map(({ id, note }) => [id, note]),
    [
      [first.id, 'old'],
      [second.id, ''],
    ],
  );
  const stored = await (await store.collection('tokens')).list();
  for (const text of [JSON.stringify(listed), JSON.stringify(stored)]) assert.ok(!text.includes(first.token));
});

test('a revoked token, and no other, is told to nodes for as long as it is remembered, and is listed no more', async (t) => {
  const { bus, clock } = await setUp(t);
  const { id } = await makeToken(bus, { gatewayId: 'plant', input: {} });
  const other = await makeToken(bus, { gatewayId: 'plant', input: {} });
  const before = await ask(bus, policyFeed.since, { epoch: '', revision: 0 });
  await ask(bus, revokeToken, { gatewayId: 'plant', id });
  const after = await ask(bus, policyFeed.since, { epoch: before.epoch, revision: before.revision });
  assert.deepEqual(
    after.items.map(({ revokedTokens }) => revokedTokens),
    [[{ tokenId: id, revokedAt: new Date(clock.now).toISOString() }]],
  );
  assert.deepEqual(
    (await ask(bus, listTokens, { gatewayId: 'plant' })).items.map((token) => token.id),
    [other.id],
  );
  await assert.rejects(ask(bus, getToken, { gatewayId: 'plant', id }), { code: 'ACL_TOKEN_NOT_FOUND' });
  await assert.rejects(ask(bus, revokeToken, { gatewayId: 'plant', id }), { code: 'ACL_TOKEN_NOT_FOUND' });
  // A node that was out of reach for longer than tickets live still holds tunnels of it.
  clock.now += 24 * 3_600_000;
  assert.deepEqual(
    (await policyOf(bus, 'plant'))?.revokedTokens.map(({ tokenId }) => tokenId),
    [id],
  );
});

test('a token is shown and revoked under its own gateway only', async (t) => {
  const { bus, router } = await setUp(t);
  router.put({ id: 'other', name: 'Other', enabled: true, requireToken: true });
  const { token, ...made } = await makeToken(bus, { gatewayId: 'plant', input: {} });
  const own = { gatewayId: 'plant', id: made.id };
  assert.deepEqual(await ask(bus, getToken, own), made);
  for (const theirs of [
    { ...own, gatewayId: 'other' },
    { ...own, id: 'none' },
  ])
    for (const question of [getToken, revokeToken])
      await assert.rejects(ask(bus, question, theirs), { code: 'ACL_TOKEN_NOT_FOUND' });
  await open(bus, token);
});

test('of a gateway that there is not nothing is listed, shown, put or explained', async (t) => {
  const { bus } = await setUp(t);
  const unknown = { code: 'ACL_GATEWAY_UNKNOWN' };
  const nowhere = { gatewayId: 'nowhere' };
  await assert.rejects(ask(bus, listTokens, nowhere), unknown);
  await assert.rejects(makeToken(bus, { ...nowhere, input: {} }), unknown);
  await assert.rejects(ask(bus, getAccessList, nowhere), unknown);
  await assert.rejects(ask(bus, putAccessList, { ...nowhere, input: { rules: [] } }), unknown);
  const targets = [{ host: '10.0.0.5', port: 5432 }];
  await assert.rejects(ask(bus, explainAccess, { ...nowhere, targets }), unknown);
});

test('a gateway has at most as many tokens as the settings say', async (t) => {
  const { bus } = await setUp(t);
  const create = () => makeToken(bus, { gatewayId: 'plant', input: {} });
  const made = await Promise.all(Array.from({ length: 5 }, create));
  await assert.rejects(create(), { code: 'ACL_LIMIT' });
  await ask(bus, revokeToken, { gatewayId: 'plant', id: made[0]?.id ?? '' });
  await create();
});

test('a gateway has at most 2000 tokens that are remembered, those revoked of late included', async (t) => {
  const { bus, store } = await setUp(t);
  const gatewayId = 'plant';
  const { id } = await makeToken(bus, { gatewayId, input: {} });
  await ask(bus, revokeToken, { gatewayId, id });
  const { tokens } = await openDocuments(store);
  const revoked = await tokens.get(id);
  assert.ok(revoked);
  for (let index = 1; index < 1_999; index += 1)
    await tokens.insert({ ...revoked, revision: 1, id: `${id}${index}`, hash: `${revoked.hash}${index}` });
  await makeToken(bus, { gatewayId, input: {} });
  await assert.rejects(makeToken(bus, { gatewayId, input: {} }), {
    code: 'ACL_LIMIT',
    message: /those revoked of late included/,
  });
});

test('an access list is empty until it is put, is kept in its one form, and refuses a stale change', async (t) => {
  const { bus } = await setUp(t);
  const gatewayId = 'plant';
  const empty = await ask(bus, getAccessList, { gatewayId });
  assert.deepEqual(empty.rules, []);
  const rules = [{ action: 'allow' as const, host: '10.1.2.3/8', port: '1-65535' }];
  const put = await ask(bus, putAccessList, { gatewayId, input: { rules }, revision: empty.revision });
  assert.deepEqual(put.rules, [{ action: 'allow', host: '10.0.0.0/8', port: '*' }]);
  assert.deepEqual(await ask(bus, getAccessList, { gatewayId }), put);
  const policy = await policyOf(bus, gatewayId);
  assert.deepEqual([policy?.accessListRevision, policy?.accessList], [put.revision, put.rules]);
  const stale = ask(bus, putAccessList, { gatewayId, input: { rules }, revision: empty.revision });
  await assert.rejects(stale, { code: 'ACL_REVISION_STALE' });
  const wrong = ask(bus, putAccessList, {
    gatewayId,
    input: { rules: [{ action: 'allow', host: 'a b', port: '1' }] },
  });
  await assert.rejects(wrong, (error: { code: string; body: { status: number; errors: unknown[] } }) => {
    assert.deepEqual([error.code, error.body.status], ['ACL_RULES_INVALID', 400]);
    assert.equal(error.body.errors.length, 1);
    return true;
  });
});

test('explain names the rule that decides, for each target', async (t) => {
  const { bus } = await setUp(t);
  const gatewayId = 'plant';
  const rules = [{ action: 'allow' as const, host: '10.0.0.5', port: '5432' }];
  await ask(bus, putAccessList, { gatewayId, input: { rules } });
  const targets = [
    { host: '10.0.0.5', port: 5432 },
    { host: '10.0.0.6', port: 5432 },
  ];
  const { decisions } = await ask(bus, explainAccess, { gatewayId, targets });
  assert.deepEqual(
    decisions.map(({ allowed, rule }) => [allowed, rule]),
    [
      [true, { list: 'gateway', index: 0, text: 'allow 10.0.0.5:5432' }],
      [false, null],
    ],
  );
});

test('a rule says since when it is in its list and by whose key, over edits and a restore, and explain says it too', async (t) => {
  const { bus, clock } = await setUp(t);
  const gatewayId = 'plant';
  const first = { action: 'allow' as const, host: '10.0.0.5', port: '5432' };
  const second = { action: 'allow' as const, host: '10.0.0.6', port: '443' };
  const [ann, bob] = [
    { id: 'a', name: 'Ann' },
    { id: 'b', name: 'Bob' },
  ];
  const createdAt = new Date(clock.now).toISOString();
  await ask(bus, putAccessList, { gatewayId, input: { rules: [first] }, by: ann });
  clock.now += dayMs;
  const put = await ask(bus, putAccessList, { gatewayId, input: { rules: [second, first] }, by: bob });
  const origins = [
    { createdAt: new Date(clock.now).toISOString(), createdBy: bob },
    { createdAt, createdBy: ann },
  ];
  assert.deepEqual([put.rules, put.origins], [[second, first], origins]);
  // What nodes and clients are sent stays as it was.
  assert.deepEqual((await policyOf(bus, gatewayId))?.accessList, [second, first]);
  const targets = [{ host: '10.0.0.5', port: 5432 }];
  const { decisions } = await ask(bus, explainAccess, { gatewayId, targets });
  assert.equal(
    decisions[0]?.reason,
    `the gateway's access list: allowed by "allow 10.0.0.5:5432"; this rule is in the list since ${createdAt}, by the API key "Ann" (a)`,
  );
  const other = await setUp(t);
  await ask(other.bus, putAccessList, { gatewayId, input: { rules: [] } });
  await ask(other.bus, putAccessList, { gatewayId, input: { rules: [] } });
  await ask(other.bus, putAccessList, { gatewayId, input: { rules: [] } });
  await restore(bus, other.bus);
  assert.deepEqual((await ask(other.bus, getAccessList, { gatewayId })).origins, origins);
});

test('a source rule, a token and an API key say by whose key they were made', async (t) => {
  const { bus, clock, router } = await setUp(t);
  router.destinations.add('db');
  const front = { gatewayId: 'plant', destinationId: 'db' };
  const by = { id: 'a', name: 'Ann' };
  const hash = secretHash('x');
  const origin = { createdAt: new Date(clock.now).toISOString(), createdBy: by };
  await ask(bus, addSourceRule, { ...front, rule: { source: '1.1.1.1', app: 'a' }, by });
  clock.now += dayMs;
  await ask(bus, addSourceRule, { ...front, rule: { source: '2.2.2.2' } });
  assert.deepEqual((await ask(bus, getSourceRules, front)).origins, [
    origin,
    { createdAt: new Date(clock.now).toISOString(), createdBy: null },
  ]);
  const { id } = await ask(bus, createToken, { gatewayId: 'plant', input: {}, hash, by });
  assert.deepEqual((await ask(bus, getToken, { gatewayId: 'plant', id })).createdBy, by);
  const { id: keyId } = await ask(bus, createApiKey, { input: { name: 'k', role: 'viewer' }, hash, by });
  const { items } = await ask(bus, listApiKeys, {});
  assert.deepEqual(items.find((key) => key.id === keyId)?.createdBy, by);
});

test('a token and an API key say when they were last used, which a tunnel that is up does all the while', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const { bus, clock, acl, make } = await setUp(t);
  const gatewayId = 'plant';
  const { token, ...made } = await makeToken(bus, { gatewayId, input: {} });
  const hash = secretHash('key');
  await ask(bus, createApiKey, { input: { name: 'k', role: 'viewer' }, hash });
  const told = async (): Promise<unknown[]> => {
    const tokens = await ask(bus, listTokens, { gatewayId });
    const keys = await ask(bus, listApiKeys, {});
    return [...tokens.items, ...keys.items].map(({ lastUsedAt }) => lastUsedAt);
  };
  assert.deepEqual(await told(), [null, null]);
  clock.now += dayMs;
  const at = new Date(clock.now).toISOString();
  await open(bus, token);
  await ask(bus, verifyApiKey, { keyHash: hash });
  await assert.rejects(open(bus, 'another'), { code: 'ACL_TOKEN_WRONG' });
  assert.deepEqual(await told(), [at, at]);
  const { lastUsedAt, revision } = await ask(bus, getToken, { gatewayId, id: made.id });
  assert.deepEqual([lastUsedAt, revision], [at, made.revision]);
  await acl.stop();
  const next = make();
  t.after(() => next.stop());
  await next.start();
  assert.deepEqual(await told(), [at, at]);

  const node = startNode(t, bus);
  node.up({ ...tunnel('c1', null), tokenId: made.id });
  const later = new Date((clock.now += dayMs)).toISOString();
  while ((await told())[0] !== later) {
    t.mock.timers.tick(60_000);
    await new Promise(setImmediate);
  }
  assert.deepEqual(await told(), [later, at]);
});

test('explain says of a target whose paths are judged one by one whether any may be reached', async (t) => {
  const { bus } = await setUp(t);
  const gatewayId = 'plant';
  const rules = [{ action: 'allow' as const, host: '10.0.0.5', port: '443', path: '/orders' }];
  await ask(bus, putAccessList, { gatewayId, input: { rules } });
  const target = { host: '10.0.0.5', port: 443 };
  const targets = [target, { ...target, somePath: true }];
  const { decisions } = await ask(bus, explainAccess, { gatewayId, targets });
  assert.deepEqual(
    decisions.map(({ allowed, rule }) => [allowed, rule?.text]),
    [
      [false, undefined],
      [true, 'allow 10.0.0.5:443/orders'],
    ],
  );
});

test('explain says of a target that is denied without a path whether some of its paths are allowed', async (t) => {
  const { bus } = await setUp(t);
  const gatewayId = 'plant';
  const rules = [
    { action: 'allow' as const, host: 'h', port: '80', path: '/api/' },
    { action: 'allow' as const, host: 'k', port: '80' },
    { action: 'deny' as const, host: 'k', port: '80', path: '/admin/' },
    { action: 'deny' as const, host: 'n', port: '80', path: '/x' },
  ];
  await ask(bus, putAccessList, { gatewayId, input: { rules } });
  const targets = [
    ...['h', 'k', 'n'].map((host) => ({ host, port: 80 })),
    // Where a path is named there is no other that it might be.
    { host: 'h', port: 80, path: '/other' },
    { host: 'n', port: 80, somePath: true },
  ];
  const { decisions } = await ask(bus, explainAccess, { gatewayId, targets });
  const list = "the gateway's access list";
  assert.deepEqual(
    decisions.map(({ allowed, reason }) => [allowed, reason]),
    [
      [
        false,
        `${list}: no rule allows h:80; over HTTP, some paths are allowed: ${list}: allowed by "allow h:80/api/"`,
      ],
      [
        false,
        `${list}: denied by "deny k:80/admin/"; over HTTP, some paths are allowed: ${list}: allowed by "allow k:80"`,
      ],
      [false, `${list}: denied by "deny n:80/x"`],
      [false, `${list}: no rule allows h:80/other`],
      [false, `${list}: no rule allows n:80`],
    ],
  );
});

test('explain counts the own lists of connected clients: one that allows is enough', async (t) => {
  const { bus } = await setUp(t);
  const gatewayId = 'plant';
  const allowAll = { action: 'allow' as const, host: '*', port: '*' };
  await ask(bus, putAccessList, { gatewayId, input: { rules: [allowAll] } });
  const targets = [{ host: '10.0.0.5', port: 5432 }];
  const explain = async () => (await ask(bus, explainAccess, { gatewayId, targets })).decisions[0];
  const node = startNode(t, bus);
  node.up(tunnel('one', [{ action: 'deny', host: '10.0.0.0/8', port: '*' }, allowAll]));
  await untilAnswered(bus);
  const denied = await explain();
  assert.deepEqual(
    [denied?.allowed, denied?.rule],
    [false, { list: 'client', index: 0, text: 'deny 10.0.0.0/8:*' }],
  );
  node.up(tunnel('two', null));
  await bus.flush(1_000);
  const allowed = await explain();
  assert.deepEqual([allowed?.allowed, allowed?.rule?.list], [true, 'gateway']);
  assert.match(allowed?.reason ?? '', /1 of 2 clients deny it by their own list/);
});

test('explain takes a client’s own list that cannot be read for one that allows nothing', async (t) => {
  const { bus } = await setUp(t);
  const gatewayId = 'plant';
  const rules = [{ action: 'allow' as const, host: '*', port: '*' }];
  await ask(bus, putAccessList, { gatewayId, input: { rules } });
  startNode(t, bus).up(tunnel('one', [{ action: 'allow', host: '!!', port: 'x' }]));
  await untilAnswered(bus);
  const targets = [{ host: '10.0.0.5', port: 5432 }];
  const { decisions } = await ask(bus, explainAccess, { gatewayId, targets });
  assert.deepEqual([decisions[0]?.allowed, decisions[0]?.rule], [false, null]);
  assert.match(decisions[0]?.reason ?? '', /^the client's own access list: no rule allows/);
});

test('explain counts the list of a client’s newest tunnel, where one from before its restart is still known', async (t) => {
  const { bus } = await setUp(t);
  const gatewayId = 'plant';
  const allowAll = { action: 'allow' as const, host: '*', port: '*' };
  await ask(bus, putAccessList, { gatewayId, input: { rules: [allowAll] } });
  const node = startNode(t, bus);
  const now = tunnel('one', [allowAll]);
  const former = { ...now, tunnelId: 'former', connectedAt: '2026-01-01T00:00:00.000Z', ownRules: [] };
  for (const one of [now, former]) node.up(one);
  await untilAnswered(bus);
  const targets = [{ host: '10.0.0.5', port: 5432 }];
  const { decisions } = await ask(bus, explainAccess, { gatewayId, targets });
  assert.equal(decisions[0]?.allowed, true);
});

test('a destination that is restricted without a rule is told as closed, until it has one', async (t) => {
  const { bus, router } = await setUp(t);
  router.destinations.add('db');
  const front = { gatewayId: 'plant', destinationId: 'db' };
  const closed = async () => (await ask(bus, explainAccess, { gatewayId: 'plant', targets: [] })).closed;
  assert.deepEqual(await closed(), []);
  await ask(bus, putSourceRules, { ...front, input: { restricted: true } });
  assert.deepEqual(await closed(), ['db']);
  await ask(bus, addSourceRule, { ...front, rule: { source: '1.1.1.1' } });
  assert.deepEqual(await closed(), []);
  await ask(bus, putSourceRules, { ...front, input: { restricted: false } });
  assert.deepEqual(await closed(), []);
});

test('source rules are open until they are put; an app replaces its own', async (t) => {
  const { bus, router } = await setUp(t);
  router.destinations.add('db');
  const front = { gatewayId: 'plant', destinationId: 'db' };
  const none = await ask(bus, getSourceRules, front);
  assert.deepEqual([none.restricted, none.rules, none.revision], [false, [], 0]);
  const put = await ask(bus, putSourceRules, { ...front, input: { restricted: true }, revision: 0 });
  assert.deepEqual([put.restricted, put.rules, put.revision], [true, [], 1]);
  await ask(bus, addSourceRule, { ...front, rule: { source: '1.1.1.1', app: 'a' } });
  const added = await ask(bus, addSourceRule, { ...front, rule: { source: '::ffff:2.2.2.2', app: 'a' } });
  assert.deepEqual([added.restricted, added.rules], [true, [{ source: '2.2.2.2', app: 'a' }]]);
  assert.deepEqual((await policyOf(bus, 'plant'))?.sourceRules, [
    { destinationId: 'db', restricted: true, rules: added.rules },
  ]);
  await assert.rejects(ask(bus, putSourceRules, { ...front, input: { restricted: true }, revision: 1 }), {
    code: 'ACL_REVISION_STALE',
  });
  const rule = { source: '3.3.3.3' };
  await assert.rejects(ask(bus, addSourceRule, { ...front, rule, revision: 1 }), {
    code: 'ACL_REVISION_STALE',
  });
  await assert.rejects(ask(bus, addSourceRule, { ...front, rule: { source: 'x' } }), {
    code: 'ACL_RULES_INVALID',
  });
  await assert.rejects(ask(bus, getSourceRules, { ...front, destinationId: 'no' }), {
    code: 'ACL_DESTINATION_UNKNOWN',
  });
});

test('who follows policies has each change of an access list and of source rules, and who listens is told of it', async (t) => {
  const { bus, router } = await setUp(t);
  router.destinations.add('db');
  // The first that is heard of a gateway is a change too.
  await ask(bus, getAccessList, { gatewayId: 'plant' });
  const heard: string[] = [];
  listen(bus, aclChanged, ({ kind, action, id }) => heard.push(`${kind} ${action} ${id}`), assert.ifError);
  const front = { gatewayId: 'plant', destinationId: 'db' };
  for (const change of [
    () => ask(bus, putAccessList, { gatewayId: 'plant', input: { rules: [] } }),
    () => ask(bus, putSourceRules, { ...front, input: { restricted: true } }),
    () => ask(bus, addSourceRule, { ...front, rule: { source: '1.1.1.1' } }),
  ]) {
    const before = await ask(bus, policyFeed.since, { epoch: '', revision: 0 });
    await change();
    const after = await ask(bus, policyFeed.since, { epoch: before.epoch, revision: before.revision });
    assert.deepEqual(
      after.items.map(({ id }) => id),
      ['plant'],
    );
  }
  await bus.flush(1_000);
  assert.deepEqual(heard, [
    'access-list updated plant',
    'source-rules created db',
    'source-rules updated db',
  ]);
});

test('the source rules behind one gateway have a bound together, as they travel in one policy', async (t) => {
  const { bus, router } = await setUp(t);
  const rules = Array.from({ length: 1_000 }, (_, n) => ({ source: '*', app: `${n}`.padEnd(64, 'x') }));
  const put = (destinationId: string) => {
    router.destinations.add(destinationId);
    return ask(bus, putSourceRules, {
      gatewayId: 'plant',
      destinationId,
      input: { restricted: true, rules },
    });
  };
  for (const id of ['a', 'b']) await put(id);
  await assert.rejects(put('c'), { code: 'ACL_LIMIT' });
  // What is put in place of its own is not counted twice.
  await put('a');
});

test('a policy follows its gateway: renamed, switched off, deleted with all that belonged to it', async (t) => {
  const { bus, router, store } = await setUp(t);
  router.destinations.add('db');
  await makeToken(bus, { gatewayId: 'plant', input: {} });
  await ask(bus, putSourceRules, { gatewayId: 'plant', destinationId: 'db', input: { restricted: true } });
  await router.change({ id: 'plant', name: 'New', enabled: false, requireToken: false }, bus);
  const policy = await policyOf(bus, 'plant');
  assert.deepEqual([policy?.gatewayName, policy?.enabled, policy?.requireToken], ['New', false, false]);
  await router.remove('plant', bus);
  assert.equal(await policyOf(bus, 'plant'), undefined);
  for (const name of ['policies', 'accessLists', 'sourceRules', 'tokens']) {
    assert.equal(await (await store.collection(name)).count(), 0, name);
  }
});

test('what is made within a bound raises the counter, so that of two at the same moment one counts the other', async (t) => {
  const { bus } = await setUp(t);
  const changes = [
    () => makeToken(bus, { gatewayId: 'plant', input: {} }),
    () => ask(bus, createApiKey, { input: { name: 'key', role: 'viewer' }, hash: secretHash('key') }),
  ];
  await ask(bus, getAccessList, { gatewayId: 'plant' });
  for (const change of changes) {
    const before = await ask(bus, policyFeed.since, { epoch: '', revision: 0 });
    await change();
    const after = await ask(bus, policyFeed.since, { epoch: before.epoch, revision: before.revision });
    assert.deepEqual([after.revision, after.items], [before.revision + 1, []]);
  }
});

test('no earlier word of the router undoes a later one that says what acl knew before', async (t) => {
  const { bus, router } = await setUp(t);
  const record = { id: 'plant', name: 'Plant', requireToken: true };
  const follow = async (revision: number, enabled: boolean) => {
    router.revision = revision;
    router.put({ ...record, enabled });
    await ask(bus, followGateway, { id: 'plant' });
  };
  await follow(5, false);
  const before = await ask(bus, policyFeed.since, { epoch: '', revision: 0 });
  await follow(7, false);
  await follow(6, true);
  assert.equal((await policyOf(bus, 'plant'))?.enabled, false);
  // Nodes have nothing to fetch where nothing of theirs changed.
  const { items } = await ask(bus, policyFeed.since, { epoch: before.epoch, revision: before.revision });
  assert.deepEqual(items, []);
});

test('of two words of the router that are taken over at once the later one holds', async (t) => {
  const { bus, router } = await setUp(t);
  const said = [
    { revision: 6, enabled: false },
    { revision: 5, enabled: true },
  ];
  router.gateways.get = (id) => {
    const { revision = 0, enabled = true } = said.shift() ?? {};
    router.revision = revision;
    return { id, name: 'Plant', enabled, requireToken: true };
  };
  await Promise.all(said.map(() => ask(bus, followGateway, { id: 'plant' })));
  assert.equal((await policyOf(bus, 'plant'))?.enabled, false);
});

test('a restored policy takes what the restored router says, also where its gateway is from before the backup of acl', async (t) => {
  const [from, to] = [await setUp(t), await setUp(t)];
  const record = { id: 'plant', name: 'Plant', requireToken: true };
  const follow = async ({ bus, router }: typeof from, revision: number, enabled: boolean) => {
    router.revision = revision;
    router.put({ ...record, enabled });
    await ask(bus, followGateway, { id: 'plant' });
  };
  await follow(from, 5, false);
  await follow(from, 6, true);
  await restore(from.bus, to.bus);
  assert.equal((await policyOf(to.bus, 'plant'))?.enabled, true);
  await follow(to, 5, false);
  assert.equal((await policyOf(to.bus, 'plant'))?.enabled, false);
});

test('what the router says of a gateway holds when acl was asked to follow, and no earlier word undoes it', async (t) => {
  const { bus, router } = await setUp(t);
  const { token } = await makeToken(bus, { gatewayId: 'plant', input: {} });
  const record = { id: 'plant', name: 'Plant', requireToken: true };
  const follow = async (revision: number, enabled: boolean) => {
    router.revision = revision;
    router.put({ ...record, enabled });
    await ask(bus, followGateway, { id: 'plant' });
  };
  await follow(5, false);
  await assert.rejects(open(bus, token), { code: 'ACL_GATEWAY_DISABLED' });
  await follow(4, true);
  assert.equal((await policyOf(bus, 'plant'))?.enabled, false);
  await follow(6, true);
  await open(bus, token);
  router.delete('plant');
  await ask(bus, followGateway, { id: 'plant' });
  assert.equal(await policyOf(bus, 'plant'), undefined);
});

test('explain decides on a path as fronts do: what follows the question mark is none of it', async (t) => {
  const { bus } = await setUp(t);
  const rules = [
    { action: 'allow' as const, host: 'erp', port: '80', path: '/orders' },
    { action: 'deny' as const, host: 'erp', port: '80', path: '/admin' },
  ];
  await ask(bus, putAccessList, { gatewayId: 'plant', input: { rules } });
  const targets = ['/admin?next=/../../orders', '/orders?next=/../../admin'].map((path) => ({
    host: 'erp',
    port: 80,
    path,
  }));
  const { decisions } = await ask(bus, explainAccess, { gatewayId: 'plant', targets });
  assert.deepEqual(
    decisions.map(({ allowed }) => allowed),
    [false, true],
  );
});

test('what was deleted while acl was away is dropped when it is back', async (t) => {
  const { bus, router, acl, make, store } = await setUp(t);
  await makeToken(bus, { gatewayId: 'plant', input: {} });
  await acl.stop();
  router.delete('plant');
  const again = make();
  const dropped = policies(bus, (items) => !items.has('plant'));
  await again.start();
  t.after(() => again.stop());
  await dropped;
  assert.equal(await (await store.collection('tokens')).count(), 0);
  assert.equal(await policyOf(bus, 'plant'), undefined);
});

test('the source rules of a destination that was deleted while acl was away are dropped when it is back, and no others', async (t) => {
  const { bus, router, acl, make } = await setUp(t);
  for (const id of ['db', 'kept']) {
    router.destinations.add(id);
    await ask(bus, putSourceRules, { gatewayId: 'plant', destinationId: id, input: { restricted: true } });
  }
  await acl.stop();
  router.destinations.delete('db');
  router.deleted.add('db');
  const again = make();
  const dropped = policies(bus, (items) => items.get('plant')?.sourceRules.length === 1);
  await again.start();
  t.after(() => again.stop());
  await dropped;
  await ask(bus, getSourceRules, { gatewayId: 'plant', destinationId: 'kept' });
});

test('nothing is dropped on the word of a cache while the router does not confirm it', async (t) => {
  const { bus, router } = await setUp(t);
  const { token } = await makeToken(bus, { gatewayId: 'plant', input: {} });
  await router.hide('plant', bus);
  await open(bus, token);
});

test('what a router does not find but has not deleted keeps its tokens and rules: it may be on another database', async (t) => {
  const { bus, router, acl, make, store } = await setUp(t);
  router.destinations.add('db');
  const { token } = await makeToken(bus, { gatewayId: 'plant', input: {} });
  await ask(bus, putSourceRules, { gatewayId: 'plant', destinationId: 'db', input: { restricted: true } });
  await router.lose('plant', bus);
  await ask(bus, followGateway, { id: 'plant' });
  await open(bus, token);
  // Also in the survey of a start.
  await acl.stop();
  const again = make();
  const asked = router.asked();
  await again.start();
  t.after(() => again.stop());
  await asked;
  await bus.flush(1_000);
  await open(bus, token);
  assert.equal(await (await store.collection('sourceRules')).count(), 1);
});

test('what was restored for a gateway that the restored router has never had is dropped', async (t) => {
  const [from, to] = [await setUp(t), await setUp(t)];
  to.router.gateways.clear();
  const { token } = await makeToken(from.bus, { gatewayId: 'plant', input: {} });
  const dropped = policies(to.bus, (items) => items.has('plant')).then(() =>
    policies(to.bus, (items) => !items.has('plant')),
  );
  await restore(from.bus, to.bus);
  await dropped;
  await assert.rejects(open(to.bus, token), { code: 'ACL_GATEWAY_UNKNOWN' });
});

test('what was restored is kept once the router has confirmed it, also where it does not find it later', async (t) => {
  const [from, to] = [await setUp(t), await setUp(t)];
  const { token } = await makeToken(from.bus, { gatewayId: 'plant', input: {} });
  const asked = to.router.asked();
  await restore(from.bus, to.bus);
  await asked;
  await open(to.bus, token);
  await ask(to.bus, followGateway, { id: 'plant' });
  await to.router.lose('plant', to.bus);
  await ask(to.bus, followGateway, { id: 'plant' });
  await open(to.bus, token);
});

test('API keys are recognised by their hash, until they are deleted', async (t) => {
  const { bus, clock } = await setUp(t);
  const made = await ask(bus, createApiKey, {
    input: { name: 'ci', role: 'operator', gateways: ['plant'] },
    hash: secretHash('a key'),
  });
  const { lastUsedAt, ...shown } = made;
  const key = 'a key';
  assert.equal(lastUsedAt, null);
  assert.deepEqual(await ask(bus, verifyApiKey, { keyHash: secretHash(key) }), shown);
  const used = { ...shown, lastUsedAt: new Date(clock.now).toISOString() };
  assert.deepEqual((await ask(bus, listApiKeys, {})).items, [used]);
  await ask(bus, deleteApiKey, { id: made.id });
  await assert.rejects(ask(bus, verifyApiKey, { keyHash: secretHash(key) }), { code: 'ACL_API_KEY_WRONG' });
  await assert.rejects(ask(bus, deleteApiKey, { id: made.id }), { code: 'ACL_API_KEY_NOT_FOUND' });
  const unknown = ask(bus, createApiKey, {
    input: { name: 'x', role: 'viewer', gateways: ['nowhere'] },
    hash: secretHash('another'),
  });
  await assert.rejects(unknown, { code: 'ACL_GATEWAY_UNKNOWN' });
});

test('there are as many API keys as the settings say, and one may be made when one was deleted', async (t) => {
  const { bus } = await setUp(t);
  const make = (name: string) =>
    ask(bus, createApiKey, { input: { name, role: 'viewer' }, hash: secretHash(name) });
  const [first] = await Promise.all(['a', 'b', 'c'].map(make));
  await assert.rejects(make('d'), { code: 'ACL_LIMIT' });
  await ask(bus, deleteApiKey, { id: first?.id ?? '' });
  await make('d');
});

test("the first API key is an owner's for as long as it is set, is listed, and cannot be deleted here", async (t) => {
  const { bus, clock } = await setUp(t, { firstApiKey: new Secret('a-first-key-of-enough-characters-1') });
  const key = await ask(bus, verifyApiKey, { keyHash: secretHash('a-first-key-of-enough-characters-1') });
  assert.deepEqual([key.role, key.gateways], ['owner', null]);
  const used = { ...key, lastUsedAt: new Date(clock.now).toISOString() };
  assert.deepEqual((await ask(bus, listApiKeys, {})).items, [used]);
  await assert.rejects(ask(bus, deleteApiKey, { id: key.id }), { code: 'ACL_API_KEY_BY_SETTING' });
  // Beside it others are what they were made, and none is a wrong one.
  const order = { input: { name: 'ci', role: 'viewer' as const }, hash: secretHash('another') };
  const { id } = await ask(bus, createApiKey, order);
  const other = await ask(bus, verifyApiKey, { keyHash: secretHash('another') });
  assert.deepEqual([other.id, other.role], [id, 'viewer']);
  await assert.rejects(ask(bus, verifyApiKey, { keyHash: secretHash('wrong') }), {
    code: 'ACL_API_KEY_WRONG',
  });
});

test('when an API key was last used is known for as long as the key is there, of the first key too', async (t) => {
  const { bus, acl, make, store } = await setUp(t, {
    firstApiKey: new Secret('a-first-key-of-enough-characters-1'),
  });
  const keys = ['a-first-key-of-enough-characters-1', 'kept', 'deleted'];
  const ids: string[] = ['first'];
  for (const name of keys.slice(1))
    ids.push((await ask(bus, createApiKey, { input: { name, role: 'viewer' }, hash: secretHash(name) })).id);
  for (const key of keys) await ask(bus, verifyApiKey, { keyHash: secretHash(key) });
  await ask(bus, deleteApiKey, { id: ids[2] ?? '' });
  await acl.stop();
  const again = make();
  await again.start();
  t.after(() => again.stop());
  const { uses } = await openDocuments(store);
  assert.deepEqual((await uses.list({})).items.map(({ id }) => id).toSorted(), ids.slice(0, 2).toSorted());
  const { items } = await ask(bus, listApiKeys, {});
  assert.ok(items.every(({ lastUsedAt }) => lastUsedAt !== null));
});

test('a page of API keys has no more than was asked for, the first key among them', async (t) => {
  const { bus } = await setUp(t, { firstApiKey: new Secret('a-first-key-of-enough-characters') });
  const made = await ask(bus, createApiKey, {
    input: { name: 'x', role: 'viewer' },
    hash: secretHash('one'),
  });
  const seen: string[][] = [];
  let cursor: string | null = null;
  do {
    const page: { items: { id: string }[]; nextCursor: string | null } = await ask(bus, listApiKeys, {
      limit: 1,
      cursor,
    });
    seen.push(page.items.map(({ id }) => id));
    cursor = page.nextCursor;
  } while (cursor !== null);
  assert.deepEqual(seen, [['first'], [made.id]]);
});

test('tokens and keys that are over are forgotten, others kept', async (t) => {
  const { bus, clock, acl, make } = await setUp(t);
  const gatewayId = 'plant';
  const short = await makeToken(bus, { gatewayId, input: { expiresInDays: 1 } });
  const long = await makeToken(bus, { gatewayId, input: { expiresInDays: 0 } });
  const middle = await makeToken(bus, { gatewayId, input: { expiresInDays: 40 } });
  clock.now += 32 * dayMs;
  await assert.rejects(open(bus, short.token), { code: 'ACL_TOKEN_EXPIRED' });
  await acl.stop();
  const again = make();
  await again.start();
  t.after(() => again.stop());
  await assert.rejects(open(bus, short.token), { code: 'ACL_TOKEN_WRONG' });
  for (const { token } of [long, middle]) await open(bus, token);
  assert.equal((await ask(bus, listTicketKeys, {})).keys.length, 1);
});

test('tokens near their end are in the metrics: in the last third of their life, 30 days at most, and a day after it', async (t) => {
  const { bus, clock, acl, make } = await setUp(t, { tokensPerGatewayMax: 10 });
  const gatewayId = 'plant';
  const ids = new Map<string, string>();
  for (const days of [0, 3, 33, 40, 90, 365]) {
    const { id } = await makeToken(bus, { gatewayId, input: { expiresInDays: days } });
    ids.set(id, `of ${days}`);
  }
  const { id: revoked } = await makeToken(bus, { gatewayId, input: { expiresInDays: 40 } });
  await ask(bus, revokeToken, { gatewayId, id: revoked });
  const end = clock.now + 40 * dayMs;
  clock.now += 33.5 * dayMs;
  await acl.stop();
  const metrics = new Metrics();
  const again = make(metrics);
  await again.start();
  t.after(() => again.stop());
  const rows = [
    ...(await metrics.text()).matchAll(
      /^postern_acl_token_not_after_seconds\{id="(.+)",postern_gateway_id="plant"\} (.+)$/gm,
    ),
  ];
  assert.deepEqual(
    rows.map(([, id = '']) => ids.get(id)),
    ['of 33', 'of 40'],
  );
  assert.equal(Number(rows[1]?.[2]), end / 1_000);
});

test('nodes get the key that tickets are signed with, also where the documents were lost while acl runs', async (t) => {
  const { bus, store } = await setUp(t);
  const { token } = await makeToken(bus, { gatewayId: 'plant', input: {} });
  const documents = await store.collection<StoredDocument>('ticketKeys');
  for (const { id } of (await documents.list()).items) await documents.delete(id);
  const { ticket } = await open(bus, token);
  const { keys } = await ask(bus, listTicketKeys, {});
  assert.ok(keys.some(({ kid }) => kid === decodeProtectedHeader(ticket).kid));
  assert.equal(await documents.count(), 1);
});

test('a replica whose clock is ahead takes nothing from the others: tokens and ticket keys stay, and nodes get all keys of it', async (t) => {
  const { bus, clock, store } = await setUp(t);
  const { token } = await makeToken(bus, { gatewayId: 'plant', input: { expiresInDays: 1 } });
  const { ticket } = await open(bus, token);
  const hub = new MemoryHub();
  const router = await FakeRouter.start(hub.connect());
  const seen: Store = {
    collection: (name, options) => store.collection(name, options),
    transaction: (work, options) => store.transaction(work, options),
    ping: () => store.ping(),
    time: async () => clock.now,
    close: async () => undefined,
  };
  const now = (): number => clock.now + 100 * dayMs;
  const ahead = createAcl({ bus: hub.connect(), store: seen, config: defaults, logger: silentLogger, now });
  await ahead.start();
  // It first listens whether there are others.
  const asker = hub.connect();
  const answered = () => ask(asker, listTicketKeys, {}).catch(() => null);
  const found = await until(answered, (one) => one !== null);
  await ahead.stop();
  await router.stop();
  assert.ok(found?.keys.some(({ kid }) => kid === decodeProtectedHeader(ticket).kid));
  await open(bus, token);
});

test('who listens is told what changed, and never a secret', async (t) => {
  const { bus } = await setUp(t);
  const heard: Change[] = [];
  listen(bus, aclChanged, (change) => heard.push(change), assert.ifError);
  const { id, token } = await makeToken(bus, { gatewayId: 'plant', input: {} });
  await ask(bus, putAccessList, { gatewayId: 'plant', input: { rules: [] } });
  await ask(bus, revokeToken, { gatewayId: 'plant', id });
  const key = { input: { name: 'ci', role: 'viewer' }, hash: secretHash('a key') } as const;
  await ask(bus, deleteApiKey, { id: (await ask(bus, createApiKey, key)).id });
  await bus.flush(1_000);
  assert.deepEqual(
    heard.map(({ kind, action }) => `${kind} ${action}`),
    ['token created', 'access-list updated', 'token deleted', 'api-key created', 'api-key deleted'],
  );
  for (const secret of [token, key.hash]) assert.ok(!JSON.stringify(heard).includes(secret));
});

test('a start waits for documents that are out of reach at any step, and leaves nothing open of what failed', async (t) => {
  const store = openSqlite(':memory:');
  const hub = new MemoryHub();
  const bus = hub.connect();
  const router = await FakeRouter.start(hub.connect());
  let failures = 1;
  // The last that a start opens.
  const failing: Store = {
    collection: async (name, options) => {
      if (name === 'acl_restore' && (failures -= 1) >= 0)
        throw new StoreError('STORE_UNREACHABLE', 'no server');
      return store.collection(name, options);
    },
    transaction: (work, options) => store.transaction(work, options),
    ping: () => store.ping(),
    time: () => store.time(),
    close: () => store.close(),
  };
  const acl = createAcl({ bus: hub.connect(), store: failing, config: defaults, logger: silentLogger });
  t.after(async () => {
    await acl.stop();
    await router.stop();
    await store.close();
  });
  await acl.start();
  const everything = { epoch: '', revision: 0 };
  await ask(bus, policyFeed.since, everything);
  await acl.stop();
  await assert.rejects(ask(bus, policyFeed.since, everything));
});
