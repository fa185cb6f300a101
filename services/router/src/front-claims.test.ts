import assert from 'node:assert/strict';
import { test } from 'node:test';
import { destinationDefaults } from '@postern/contracts';
import { StoreError, openSqlite } from '@postern/store';
import { openDocuments } from './document.ts';
import { FrontClaims, restingOthersMax, retryAllotting, type FrontPort } from './front-claims.ts';

const dayMs = 86_400_000;

async function setUp() {
  const clock = { now: Date.parse('2026-01-01T00:00:00Z') };
  const options = {
    platformHost: 'p.example',
    frontPortFirst: 15000,
    frontPortLast: 15002,
    reservedPorts: [443, 15001],
    sharedPort: 443,
    sharedHttpPort: 80,
    portRestDays: 30,
  };
  const { fronts } = await openDocuments(openSqlite(':memory:'));
  return { claims: new FrontClaims(options, () => clock.now), options, fronts, clock };
}

const a = { gatewayId: 'gwa', destinationId: 'a' };
const b = { gatewayId: 'gwb', destinationId: 'b' };
const tcp = (port: number): FrontPort => ({ transport: 'tcp', port });
const named = (by: 'tls' | 'http', host: string): FrontPort => ({
  transport: 'tcp',
  port: by === 'tls' ? 443 : 80,
  name: { by, host },
});

test('fronts: ports are allotted from the lowest, past those that are reserved, until none is left', async () => {
  const { claims, fronts } = await setUp();
  assert.equal(await claims.allot(fronts, 'tcp', a), 15000);
  assert.equal(await claims.allot(fronts, 'tcp', b), 15002);
  await assert.rejects(claims.allot(fronts, 'tcp', b), { code: 'ROUTER_PORTS_EXHAUSTED' });
});

test('fronts: a port on which no node could listen is not allotted, but may be asked for by number', async () => {
  const { options, fronts } = await setUp();
  const claims = new FrontClaims(options, Date.now, async (transport, port) => {
    return transport === 'udp' || port !== 15000;
  });
  assert.equal(await claims.allot(fronts, 'tcp', a), 15002);
  assert.equal(await claims.allot(fronts, 'udp', a), 15000);
  await claims.claim(fronts, tcp(15000), b);
});

test('fronts: a port that another holds is refused, as are those of the platform', async () => {
  const { claims, fronts } = await setUp();
  await claims.claim(fronts, tcp(5000), a);
  await assert.rejects(claims.claim(fronts, tcp(5000), b), { code: 'ROUTER_FRONT_TAKEN', message: /5000/ });
  await assert.rejects(claims.claim(fronts, tcp(443), b), { code: 'ROUTER_FRONT_RESERVED', message: /443/ });
});

test('fronts: who holds one is named, but not to a key that is for other gateways alone', async () => {
  const { claims, fronts } = await setUp();
  const places = [tcp(5000), named('tls', 'www.shop.example')];
  for (const place of places) await claims.claim(fronts, place, a);
  for (const place of [...places, named('http', 'www.shop.example')]) {
    const told = async (keyGateways?: string[]) =>
      claims.claim(fronts, place, { ...b, keyGateways }).catch((error: Error) => error.message);
    for (const gateways of [undefined, ['gwb', 'gwa']])
      assert.match(String(await told(gateways)), /belongs to the destination a of the gateway gwa$/);
    assert.match(String(await told(['gwb'])), /belongs to another destination$/);
  }
});

test('fronts: a freed port is not allotted for 30 days, and then it is', async () => {
  const { claims, fronts, clock } = await setUp();
  await claims.allot(fronts, 'tcp', a);
  await claims.release(fronts, a);
  assert.equal(await claims.allot(fronts, 'tcp', a), 15002);
  clock.now += 31 * dayMs;
  assert.equal(await claims.allot(fronts, 'tcp', b), 15000);
});

test('fronts: a resting port asked for by number goes to the gateway that had it, and to no other', async () => {
  const { claims, fronts, clock } = await setUp();
  await claims.claim(fronts, tcp(5000), a);
  await claims.release(fronts, a);
  await assert.rejects(claims.claim(fronts, tcp(5000), b), {
    code: 'ROUTER_FRONT_RESTING',
    message: /until 2026-01-31T/,
  });
  await claims.claim(fronts, tcp(5000), { ...a, destinationId: 'a2' });
  await claims.release(fronts, { ...a, destinationId: 'a2' });
  clock.now += 30 * dayMs - 1;
  await assert.rejects(claims.claim(fronts, tcp(5000), b), { code: 'ROUTER_FRONT_RESTING' });
  clock.now += 1;
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
  await claims.release(fronts, a);
  await assert.rejects(claims.claim(fronts, { transport: 'udp', port: 15000 }, a), {
    code: 'ROUTER_FRONT_TAKEN',
  });
});

test('fronts: only who holds a port can let go of it', async () => {
  const { claims, fronts } = await setUp();
  await claims.claim(fronts, tcp(5000), a);
  await claims.release(fronts, b);
  await assert.rejects(claims.claim(fronts, tcp(5000), b), { code: 'ROUTER_FRONT_TAKEN' });
});

test('fronts: a destination that moves lets go of where it was, and holds on to where it is now', async () => {
  const { claims, fronts } = await setUp();
  for (const port of [5000, 6000]) await claims.claim(fronts, tcp(port), a);
  await claims.release(fronts, a, tcp(6000));
  await assert.rejects(claims.claim(fronts, tcp(5000), b), { code: 'ROUTER_FRONT_RESTING' });
  await assert.rejects(claims.claim(fronts, tcp(6000), b), { code: 'ROUTER_FRONT_TAKEN' });
});

test('fronts: a gateway that goes lets go of all, and what rested before rests no longer for that', async () => {
  const { claims, fronts, clock } = await setUp();
  await claims.claim(fronts, tcp(5000), a);
  await claims.release(fronts, a);
  clock.now += 10 * dayMs;
  for (const port of [16000, 17000])
    await claims.claim(fronts, tcp(port), { ...a, destinationId: String(port) });
  await claims.release(fronts, { gatewayId: a.gatewayId });
  clock.now += 21 * dayMs;
  await claims.claim(fronts, tcp(5000), b);
  for (const port of [16000, 17000])
    await assert.rejects(claims.claim(fronts, tcp(port), b), { code: 'ROUTER_FRONT_RESTING' });
});

test('fronts: what a destination holds is let go also where the settings put its front elsewhere by now', async () => {
  const { claims, options, fronts } = await setUp();
  const front = tlsFront('a.example');
  await claims.claim(fronts, claims.placeOf(front), a);
  const moved = new FrontClaims({ ...options, sharedPort: 8443 }, Date.now);
  await moved.release(fronts, a);
  await claims.claim(fronts, claims.placeOf(front), { ...a, destinationId: 'a2' });
});

test('fronts: of one gateway half of the range rests at most, and a thousand names; those that rested longest are free', async () => {
  const { options, fronts, clock } = await setUp();
  const claims = new FrontClaims({ ...options, frontPortLast: 15_005 }, () => clock.now);
  const taken: number[] = [];
  for (let day = 0; day < 5; day += 1) {
    clock.now += dayMs;
    taken.push(await claims.allot(fronts, 'tcp', a));
    await claims.release(fronts, a);
  }
  assert.deepEqual(taken, [15000, 15002, 15003, 15004, 15000]);
  assert.equal(await claims.allot(fronts, 'tcp', b), 15002);
  for (let n = 0; n <= restingOthersMax; n += 1) {
    clock.now += 1;
    await claims.claim(fronts, named('tls', `n${n}.example`), a);
    if (n % 100 === 0 || n === restingOthersMax) await claims.release(fronts, a);
  }
  assert.equal(await fronts.count({ gatewayId: 'gwa', destinationId: null }), 3 + restingOthersMax);
  await assert.rejects(claims.claim(fronts, named('tls', 'n1.example'), b), { code: 'ROUTER_FRONT_RESTING' });
});

test('fronts: an allotment reads the fronts of its transport alone, however many names there are', async () => {
  const { claims, fronts } = await setUp();
  for (let n = 0; n < 2_500; n += 1) {
    const id = `tls:443:n${n}.example`;
    await fronts.insert({ id, revision: 1, port: 443, ...a, restsUntil: null });
  }
  let pages = 0;
  const counted = {
    ...fronts,
    list: (options?: Parameters<typeof fronts.list>[0]) => {
      pages += 1;
      return fronts.list(options);
    },
  };
  assert.equal(await claims.allot(counted, 'tcp', b), 15000);
  assert.equal(await claims.allot(counted, 'tcp', b), 15002);
  assert.equal(pages, 2);
});

test('fronts: those whose rest is over are forgotten, others kept', async () => {
  const { claims, fronts, clock } = await setUp();
  for (const port of [5000, 5001])
    await claims.claim(fronts, tcp(port), { ...a, destinationId: String(port) });
  await claims.release(fronts, { ...a, destinationId: '5000' });
  assert.equal(await claims.sweep(fronts, clock.now), 0);
  clock.now += 31 * dayMs;
  assert.equal(await claims.sweep(fronts, clock.now), 1);
  assert.deepEqual(
    (await fronts.list()).items.map(({ port }) => port),
    [5001],
  );
});

test("fronts: the platform's own hosts are refused", async () => {
  const { claims } = await setUp();
  for (const host of [
    'p.example',
    'P.Example.',
    'tunnel.p.example',
    'node-1.tunnel.p.example',
    '*.p.example',
    '*.example',
  ]) {
    assert.throws(() => claims.checkHost(host, 'aaaaaaaaaaa'), { code: 'ROUTER_FRONT_RESERVED' });
  }
  claims.checkHost('orders-abc.p.example', 'aaaaaaaaaaa');
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

test('fronts: who loses ports again and again is told so in the end', async () => {
  let runs = 0;
  const taken = new StoreError('STORE_DUPLICATE', 'another was faster');
  const losing = retryAllotting(async () => {
    runs += 1;
    throw taken;
  });
  await assert.rejects(losing, taken);
  assert.equal(runs, 16);
});

const tlsFront = (host: string, port = 443) => ({
  protocol: 'tcp' as const,
  host,
  port,
  tls: { ...destinationDefaults.front.tls, mode: 'passthrough' as const },
});

test('fronts: many names share the platform’s port, each belongs to one, and a freed one rests', async () => {
  const { claims, fronts, clock } = await setUp();
  const [one, other] = [claims.placeOf(tlsFront('a.example')), claims.placeOf(tlsFront('b.example'))];
  await claims.claim(fronts, one, a);
  await claims.claim(fronts, other, b);
  const again = claims.placeOf(tlsFront('A.Example.'));
  await assert.rejects(claims.claim(fronts, again, b), {
    code: 'ROUTER_FRONT_TAKEN',
    message: /a\.example:443/,
  });
  await claims.release(fronts, a);
  await assert.rejects(claims.claim(fronts, one, b), { code: 'ROUTER_FRONT_RESTING' });
  await claims.claim(fronts, one, { ...a, destinationId: 'a2' });
  await claims.release(fronts, { ...a, destinationId: 'a2' });
  clock.now += 31 * dayMs;
  await claims.claim(fronts, one, b);
});

test('fronts: a TLS front on another port has it alone, and a plain one never has the platform’s', async () => {
  const { claims, fronts } = await setUp();
  assert.deepEqual(claims.placeOf(tlsFront('a.example', 5000)), { transport: 'tcp', port: 5000 });
  const { tls, ...front } = tlsFront('a.example');
  const plain = claims.placeOf({ ...front, tls: { ...tls, mode: 'none' } });
  await assert.rejects(claims.claim(fronts, plain, a), { code: 'ROUTER_FRONT_RESERVED' });
});

const httpFront = (host: string, port = 80) => {
  const { tls, ...front } = tlsFront(host, port);
  return { ...front, protocol: 'http' as const, tls: { ...tls, mode: 'none' as const } };
};

test('fronts: many names share the port of plain HTTP, each belongs to one, and TLS there is none', async () => {
  const { claims, fronts } = await setUp();
  const one = claims.placeOf(httpFront('a.example'));
  await claims.claim(fronts, one, a);
  await claims.claim(fronts, claims.placeOf(httpFront('b.example')), b);
  await assert.rejects(claims.claim(fronts, claims.placeOf(httpFront('A.example.')), b), {
    code: 'ROUTER_FRONT_TAKEN',
    message: /a\.example:80/,
  });
  assert.deepEqual(claims.placeOf(httpFront('a.example', 5000)), { transport: 'tcp', port: 5000 });
  for (const front of [tlsFront('a.example', 80), { ...httpFront('a.example'), protocol: 'tcp' as const }]) {
    await assert.rejects(claims.claim(fronts, claims.placeOf(front), a), { code: 'ROUTER_FRONT_RESERVED' });
  }
});

test('fronts: a name that one gateway has for TLS is no other’s for plain HTTP, nor the other way round', async () => {
  const { claims, fronts, clock } = await setUp();
  const pairs = [
    [claims.placeOf(tlsFront('a.example')), claims.placeOf(httpFront('a.example'))],
    [claims.placeOf(httpFront('b.example')), claims.placeOf(tlsFront('b.example'))],
  ] as const;
  for (const [first, second] of pairs) {
    await claims.claim(fronts, first, a);
    await assert.rejects(claims.claim(fronts, second, b), { code: 'ROUTER_FRONT_TAKEN' });
    await claims.claim(fronts, second, { ...a, destinationId: 'a2' });
    await claims.release(fronts, { ...a, destinationId: 'a2' });
    await claims.release(fronts, a);
    await assert.rejects(claims.claim(fronts, second, b), { code: 'ROUTER_FRONT_RESTING' });
  }
  clock.now += 31 * dayMs;
  for (const [, second] of pairs) await claims.claim(fronts, second, b);
});

test('fronts: nor is it another’s by a wildcard on the other port, whichever comes first', async () => {
  for (const [first, second] of [
    [named('tls', 'www.shop.example'), named('http', '*.shop.example')],
    [named('http', '*.shop.example'), named('tls', 'www.shop.example')],
    [named('http', 'www.shop.example'), named('tls', '*.shop.example')],
  ] as const) {
    const { claims, fronts } = await setUp();
    await claims.claim(fronts, first, a);
    await assert.rejects(claims.claim(fronts, second, b), { code: 'ROUTER_FRONT_TAKEN' });
    await claims.claim(fronts, second, { ...a, destinationId: 'c' });
  }
  const { claims, fronts } = await setUp();
  await claims.claim(fronts, named('tls', 'a.www.shop.example'), a);
  await claims.claim(fronts, named('http', '*.shop.example'), b);
});

test('fronts: a name below another gateway’s wildcard is for a key of both gateways, not for a key of its own alone', async () => {
  for (const by of ['tls', 'http'] as const) {
    const { claims, fronts } = await setUp();
    const name = named(by, 'www.shop.example');
    await claims.claim(fronts, named(by, '*.shop.example'), a);
    const refused = { code: 'ROUTER_FRONT_TAKEN', message: /\*\.shop\.example/ };
    await assert.rejects(claims.claim(fronts, name, { ...b, keyGateways: ['gwb'] }), refused);
    await claims.claim(fronts, name, { ...b, keyGateways: ['gwb', 'gwa'] });
    await claims.claim(fronts, named(by, 'api.shop.example'), b);
    const own = { ...a, destinationId: 'a2', keyGateways: ['gwa'] };
    await claims.claim(fronts, named(by, 'own.shop.example'), own);
    await claims.release(fronts, a);
    const free = { ...b, destinationId: 'b2', keyGateways: ['gwb'] };
    await claims.claim(fronts, named(by, 'free.shop.example'), free);
  }
});

test('fronts: a host in the form of a gateway’s default hosts is that gateway’s alone', async () => {
  const { claims } = await setUp();
  claims.checkHost('orders-aaaaaaaaaaa.p.example', 'aaaaaaaaaaa');
  claims.checkHost('orders-bbbbbbbbbbb.q.example', 'aaaaaaaaaaa');
  assert.throws(() => claims.checkHost('Orders-bbbbbbbbbbb.p.example', 'aaaaaaaaaaa'), {
    code: 'ROUTER_FRONT_TAKEN',
  });
});
