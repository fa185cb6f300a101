import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openSqlite } from '@postern/store';
import { openDocuments } from './document.ts';
import { FrontClaims, retryAllotting, type FrontPort } from './front-claims.ts';

const dayMs = 86_400_000;

async function setUp() {
  const clock = { now: Date.parse('2026-01-01T00:00:00Z') };
  const options = {
    platformHost: 'p.example',
    frontPortFirst: 15000,
    frontPortLast: 15002,
    reservedPorts: [443, 15001],
    portRestDays: 30,
  };
  const { fronts } = await openDocuments(openSqlite(':memory:'));
  return { claims: new FrontClaims(options, () => clock.now), fronts, clock };
}

const a = { gatewayId: 'gwa', destinationId: 'a' };
const b = { gatewayId: 'gwb', destinationId: 'b' };
const tcp = (port: number): FrontPort => ({ transport: 'tcp', port });

test('fronts: ports are allotted from the lowest, past those that are reserved, until none is left', async () => {
  const { claims, fronts } = await setUp();
  assert.equal(await claims.allot(fronts, 'tcp', a), 15000);
  assert.equal(await claims.allot(fronts, 'tcp', b), 15002);
  await assert.rejects(claims.allot(fronts, 'tcp', b), { code: 'ROUTER_PORTS_EXHAUSTED' });
});

test('fronts: a port that another holds is refused, as are those of the platform', async () => {
  const { claims, fronts } = await setUp();
  await claims.claim(fronts, tcp(5000), a);
  await assert.rejects(claims.claim(fronts, tcp(5000), b), { code: 'ROUTER_FRONT_TAKEN', message: /5000/ });
  await assert.rejects(claims.claim(fronts, tcp(443), b), { code: 'ROUTER_FRONT_RESERVED', message: /443/ });
});

test('fronts: a freed port is not allotted for 30 days, and then it is', async () => {
  const { claims, fronts, clock } = await setUp();
  await claims.allot(fronts, 'tcp', a);
  await claims.release(fronts, tcp(15000), 'a');
  assert.equal(await claims.allot(fronts, 'tcp', a), 15002);
  clock.now += 31 * dayMs;
  assert.equal(await claims.allot(fronts, 'tcp', b), 15000);
});

test('fronts: a resting port asked for by number goes to the gateway that had it, and to no other', async () => {
  const { claims, fronts, clock } = await setUp();
  await claims.claim(fronts, tcp(5000), a);
  await claims.release(fronts, tcp(5000), 'a');
  await assert.rejects(claims.claim(fronts, tcp(5000), b), {
    code: 'ROUTER_FRONT_RESTING',
    message: /until 2026-01-31T/,
  });
  await claims.claim(fronts, tcp(5000), { ...a, destinationId: 'a2' });
  await claims.release(fronts, tcp(5000), 'a2');
  clock.now += 31 * dayMs;
  await claims.claim(fronts, tcp(5000), b);
});

test('fronts: the ports of UDP are apart from those of TCP', async () => {
  const { claims, fronts } = await setUp();
  assert.equal(await claims.allot(fronts, 'tcp', a), 15000);
  assert.equal(await claims.allot(fronts, 'udp', b), 15000);
  await assert.rejects(claims.claim(fronts, { transport: 'udp', port: 15000 }, a), {
    code: 'ROUTER_FRONT_TAKEN',
    message: /15000 \(udp\)/,
  });
  await claims.release(fronts, tcp(15000), 'a');
  await assert.rejects(claims.claim(fronts, { transport: 'udp', port: 15000 }, a), {
    code: 'ROUTER_FRONT_TAKEN',
  });
});

test('fronts: only who holds a port can let go of it', async () => {
  const { claims, fronts } = await setUp();
  await claims.claim(fronts, tcp(5000), a);
  await claims.release(fronts, tcp(5000), 'b');
  await assert.rejects(claims.claim(fronts, tcp(5000), b), { code: 'ROUTER_FRONT_TAKEN' });
});

test('fronts: those whose rest is over are forgotten, others kept', async () => {
  const { claims, fronts, clock } = await setUp();
  for (const port of [5000, 5001])
    await claims.claim(fronts, tcp(port), { ...a, destinationId: String(port) });
  await claims.release(fronts, tcp(5000), '5000');
  assert.equal(await claims.sweep(fronts), 0);
  clock.now += 31 * dayMs;
  assert.equal(await claims.sweep(fronts), 1);
  assert.deepEqual(
    (await fronts.list()).items.map(({ port }) => port),
    [5001],
  );
});

test("fronts: the platform's own hosts are refused", async () => {
  const { claims } = await setUp();
  for (const host of ['p.example', 'P.Example.', 'tunnel.p.example', 'node-1.tunnel.p.example']) {
    assert.throws(() => claims.checkHost(host), { code: 'ROUTER_FRONT_RESERVED' });
  }
  claims.checkHost('orders-abc.p.example');
});

test('fronts: who loses a port at the same moment tries again with another', async () => {
  const { claims } = await setUp();
  const store = openSqlite(':memory:');
  const { fronts } = await openDocuments(store);
  let runs = 0;
  const port = await retryAllotting(() =>
    store.transaction(async (within) => {
      runs += 1;
      if (runs > 1) return claims.allot(within(fronts), 'tcp', b);
      await within(fronts).insert({ id: 'tcp:15000', revision: 1, port: 15000, ...a, restsUntil: null });
      await within(fronts).insert({ id: 'tcp:15000', revision: 1, port: 15000, ...b, restsUntil: null });
      return 0;
    }),
  );
  assert.deepEqual([runs, port], [2, 15000]);
});
