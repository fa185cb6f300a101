import assert from 'node:assert/strict';
import { it } from 'node:test';
import { memoryBus } from '@postern/bus';
import type { NodeSnapshot } from '@postern/contracts';
import { quietAnnouncer, settle, tunnel } from './presence.fixture.ts';
import { ManualClock } from './manual-clock.fixture.ts';
import { PresenceAnnouncer, type Announcement } from './presence-announcer.ts';
import { OwnLists, ownRulesPerGatewayMax } from './own-lists.ts';
import { PresenceNode, heldCharactersMax, heldMax, lateBeatsMax } from './presence-node.ts';
import { forgetAfterMs, nodesMax, PresenceTable, quietAfterMs } from './presence-table.ts';
import { TunnelDigest } from './tunnel-digest.ts';

/** A table whose questions the test answers itself. */
function table() {
  const clock = new ManualClock();
  const asked: { node: string; after: string | undefined; answer: PromiseWithResolvers<NodeSnapshot> }[] = [];
  const errors: unknown[] = [];
  const bus = memoryBus();
  const heard = new PresenceTable({
    bus,
    clock,
    onError: (error) => errors.push(error),
    askPage: (node, after, signal) => {
      const answer = Promise.withResolvers<NodeSnapshot>();
      signal.addEventListener('abort', () => answer.reject(signal.reason));
      asked.push({ node, after, answer });
      return answer.promise;
    },
  });
  const take = ({ tunnel, beat }: Announcement): void => {
    if (tunnel !== undefined) heard.handleTunnel(tunnel);
    if (beat !== undefined) heard.handleBeat(beat);
  };
  const ids = (gatewayId = 'g'): string[] =>
    heard
      .tunnels(gatewayId)
      .map(({ tunnel }) => tunnel.tunnelId)
      .sort();
  return { table: heard, clock, asked, errors, take, ids, bus };
}

it('follows announcements in their order without asking', () => {
  const { take, ids, asked, table: heard } = table();
  const node = quietAnnouncer('a', 'boot1', take);
  node.up(tunnel('t1'));
  node.up(tunnel('t2'));
  node.up(tunnel('t3', 'other'));
  node.up(tunnel('t2', 'g', '10.0.0.2'));
  node.down('t1');
  node.beat();
  assert.deepEqual([ids(), ids('other'), asked.length], [['t2'], ['t3'], 0]);
  assert.equal(heard.tunnels('g')[0]?.tunnel.address, '10.0.0.2');
  assert.deepEqual([...heard.gateways], ['g', 'other']);
});

it('knows the tunnels of a client from those of the others of its gateway, those of quiet nodes last', () => {
  const { take, clock, table: heard } = table();
  const [silent, lively] = [quietAnnouncer('a', 'boot1', take), quietAnnouncer('b', 'boot1', take)];
  const of = (clientId: string): string[] =>
    heard.tunnelsOfClient('g', clientId).map(({ tunnel: { tunnelId } }) => tunnelId);
  silent.up({ ...tunnel('t1'), clientId: 'c1' });
  silent.up({ ...tunnel('t2'), clientId: 'c2' });
  clock.advance(quietAfterMs + 1);
  lively.up({ ...tunnel('t3'), clientId: 'c1' });
  lively.up({ ...tunnel('t4', 'other'), clientId: 'c1' });
  assert.deepEqual([of('c1'), of('c2'), of('c3')], [['t3', 't1'], ['t2'], []]);
  silent.down('t1');
  silent.up({ ...tunnel('t2'), clientId: 'c1' });
  assert.deepEqual([of('c1').toSorted(), of('c2')], [['t2', 't3'], []]);
});

it('keeps a list that several tunnels have once, and of one gateway no more rules than it may have', () => {
  const { take, table: heard } = table();
  const node = quietAnnouncer('a', 'boot1', take);
  const listOf = (n: number) =>
    Array.from({ length: 1_000 }, (_, port) => ({
      action: 'allow' as const,
      host: `h${n}`,
      port: String(port + 1),
    }));
  const rulesOf = (id: string) =>
    heard.tunnels('g').find(({ tunnel: { tunnelId } }) => tunnelId === id)?.tunnel.ownRules;
  const lists = ownRulesPerGatewayMax / 1_000;
  for (let n = 0; n < lists; n += 1) node.up({ ...tunnel(`t${n}`), ownRules: listOf(n) });
  node.up({ ...tunnel('same'), ownRules: listOf(0) });
  node.up({ ...tunnel('more'), ownRules: listOf(lists) });
  node.up({ ...tunnel('other', 'other'), ownRules: listOf(0) });
  assert.equal(rulesOf('same'), rulesOf('t0'));
  assert.deepEqual([rulesOf('t1')?.length, rulesOf('more')], [1_000, []]);
  assert.equal(heard.tunnels('other')[0]?.tunnel.ownRules?.length, 1_000);
  node.down('t1');
  node.up({ ...tunnel('t2'), ownRules: null });
  for (const id of ['more', 'more2']) node.up({ ...tunnel(id), ownRules: listOf(lists) });
  assert.deepEqual([rulesOf('more')?.length, rulesOf('more2')], [1_000, rulesOf('more')]);
  node.down('t0');
  assert.equal(rulesOf('same')?.length, 1_000);
});

it('asks for the set at a gap, holds what is announced meanwhile, and applies what is above it', async () => {
  const { take, ids, asked } = table();
  let lost = true;
  const node = quietAnnouncer('a', 'boot1', (announcement) => lost || take(announcement));
  node.up(tunnel('t1'));
  lost = false;
  node.up(tunnel('t2'));
  node.up(tunnel('t3'));
  const snapshot = node.page();
  node.down('t2');
  assert.deepEqual([ids(), asked.length, asked[0]?.node], [[], 1, 'a']);
  asked[0]?.answer.resolve(snapshot);
  await settle();
  assert.deepEqual([ids(), asked.length], [['t1', 't3'], 1]);
});

it('asks again when announcements held above the set have a gap', async () => {
  const { take, ids, asked } = table();
  let lost = true;
  const node = quietAnnouncer('a', 'boot1', (announcement) => lost || take(announcement));
  node.up(tunnel('t1'));
  lost = false;
  node.up(tunnel('t2'));
  const early = node.page();
  lost = true;
  node.down('t1');
  lost = false;
  node.up(tunnel('t3'));
  asked[0]?.answer.resolve(early);
  await settle();
  assert.equal(asked.length, 2);
  asked[1]?.answer.resolve(node.page());
  await settle();
  assert.deepEqual([ids(), asked.length], [['t2', 't3'], 2]);
});

it('asks a node whose beats stay below what was announced in its name, and takes its word', async () => {
  const { take, ids, asked } = table();
  const node = quietAnnouncer('a', 'boot1', take);
  node.up(tunnel('t1'));
  const forger = quietAnnouncer('a', 'boot1', ({ tunnel: notice, beat }) => {
    if (notice !== undefined) take({ tunnel: { ...notice, sequence: notice.sequence + 1 } });
    if (beat !== undefined) take({ beat: { ...beat, sequence: beat.sequence + 1 } });
  });
  forger.up(tunnel('made up'));
  forger.up(tunnel('t1'));
  forger.down('t1');
  forger.beat();
  assert.deepEqual([ids(), asked.length], [['made up'], 0]);
  for (let late = 1; late < lateBeatsMax; late += 1) node.beat();
  assert.equal(asked.length, 0, 'a beat may be late');
  node.beat();
  assert.equal(asked.length, 1);
  asked[0]?.answer.resolve(node.page());
  await settle();
  node.up(tunnel('t2'));
  assert.deepEqual([ids(), asked.length], [['t1', 't2'], 1]);
});

it('drops what was announced in the name of a node that its own set, asked for after that, does not have', async () => {
  const { take, asked, ids, table: heard } = table();
  const announced: Announcement[] = [];
  const node = quietAnnouncer('a', 'boot1', (one) => {
    announced.push(one);
    take(one);
  });
  node.up(tunnel('t1'));
  node.beat();
  const [up, said] = [announced[0]?.tunnel, announced[1]?.beat];
  assert.ok(up && said);
  const elsewhere = { ...said.address, host: '192.0.2.66' };
  heard.handleTunnel({ ...up, sequence: 1_000_000, up: tunnel('forged') });
  heard.handleBeat({ ...said, sequence: 1_000_000, address: elsewhere, draining: true });
  assert.equal(asked.length, 1);
  asked[0]?.answer.resolve(node.page());
  await settle();
  node.up(tunnel('t2'));
  node.beat();
  assert.deepEqual([asked.length, ids()], [1, ['t1', 't2']]);
  assert.deepEqual(heard.addressOf('a'), said.address);
  assert.equal(heard.nodes()[0]?.draining, false);
});

it('asks when a beat has a higher sequence, or another digest at the same, and tries again at the next beat', async () => {
  const { table: heard, take, ids, asked, errors } = table();
  let beat: Announcement['beat'];
  const node = quietAnnouncer('a', 'boot1', (announcement) => (beat = announcement.beat));
  node.up(tunnel('t1'));
  node.beat();
  take({ beat: beat! });
  asked[0]?.answer.reject(new Error('out of reach'));
  await settle();
  assert.equal(errors.length, 1);
  take({ beat: beat! });
  asked[1]?.answer.resolve(node.page());
  await settle();
  assert.deepEqual(ids(), ['t1']);
  take({ beat: { ...beat!, digest: 'another' } });
  assert.equal(asked.length, 3);
  asked[2]?.answer.resolve({ ...node.page(), tunnels: [tunnel('t9')] });
  await settle();
  assert.deepEqual(ids(), ['t9']);
  await heard.stop();
});

it('puts the set together from pages, at the sequence of the first', async () => {
  const { take, ids, asked } = table();
  let lost = true;
  const node = quietAnnouncer('a', 'boot1', (announcement) => lost || take(announcement));
  const rules = Array.from({ length: 900 }, () => ({
    action: 'allow' as const,
    host: 'x'.repeat(200),
    port: '*',
  }));
  for (const id of ['t1', 't2', 't3']) node.up({ ...tunnel(id), ownRules: rules });
  lost = false;
  node.beat();
  asked[0]?.answer.resolve(node.page());
  await settle();
  assert.deepEqual([ids(), asked[1]?.after], [[], 't1']);
  node.down('t1');
  node.up(tunnel('t2x'));
  for (let page = 1; page < asked.length; page += 1) {
    asked[page]?.answer.resolve(node.page(asked[page]?.after));
    await settle();
  }
  assert.deepEqual([ids(), asked.length > 2], [['t2', 't2x', 't3'], true]);
});

it('believes another boot only when the node answers under it, and then for good', async () => {
  const { table: heard, take, ids, asked } = table();
  let late: Announcement = {};
  const first = quietAnnouncer('a', 'boot1', (announcement) => take((late = announcement)));
  first.up(tunnel('t1'));
  const second = quietAnnouncer('a', 'boot2', take);
  second.up(tunnel('t2'));
  assert.deepEqual([ids(), asked.length], [['t1'], 1]);
  asked[0]?.answer.resolve(second.page());
  await settle();
  assert.deepEqual(ids(), ['t2']);
  take(late);
  first.beat();
  first.up(tunnel('t3'));
  assert.deepEqual([ids(), asked.length], [['t2'], 1]);
  second.beat();
  assert.equal(heard.nodes()[0]?.bootId, 'boot2');
});

it('does not believe a late message of a boot it never knew', async () => {
  const { take, ids, asked } = table();
  const live = quietAnnouncer('a', 'boot2', take);
  live.up(tunnel('t2'));
  quietAnnouncer('a', 'boot1', take).up(tunnel('t1'));
  asked[0]?.answer.resolve(live.page());
  await settle();
  live.up(tunnel('t3'));
  assert.deepEqual(ids(), ['t2', 't3']);
});

it('erases a node that says goodbye, and nothing late brings it back', () => {
  const { table: heard, take, ids } = table();
  let last: Announcement = {};
  const node = quietAnnouncer('a', 'boot1', (announcement) => take((last = announcement)));
  node.start();
  node.up(tunnel('t1'));
  const late = last;
  assert.equal(heard.nodes().length, 1);
  node.stop();
  take(late);
  assert.deepEqual([ids(), heard.nodes(), heard.isQuiet('a')], [[], [], true]);
});

it('believes a node that it did not know, when it is heard on the bus, by the answer of that node', async () => {
  const { table: heard, take, ids, asked, bus } = table();
  heard.start();
  const madeUp = quietAnnouncer('a', 'boot1', ({ tunnel, beat }) => {
    if (tunnel !== undefined) bus.publish('presence.tunnel', tunnel);
    if (beat !== undefined) bus.publish('presence.beat', beat);
  });
  madeUp.up(tunnel('t1'));
  madeUp.beat();
  await settle();
  assert.deepEqual([heard.nodes(), ids(), asked.length], [[], [], 1]);
  asked[0]?.answer.reject(new Error('nobody has that name'));
  await settle();
  assert.deepEqual([heard.nodes(), heard.isSettled], [[], true]);
  madeUp.beat();
  await settle();
  asked[1]?.answer.resolve(madeUp.page());
  await settle();
  assert.deepEqual([heard.nodes().map(({ name }) => name), ids(), asked.length], [['a'], ['t1'], 2]);
  quietAnnouncer('b', 'boot1', take).beat();
  assert.equal(heard.nodes().length, 2, 'over a link the certificate has said who it is');
  await heard.stop();
});

it('tells once a minute of names on the bus that do not answer, and asks no more than nodesMax at once', async () => {
  const { table: heard, asked, errors, clock, bus } = table();
  heard.start();
  const say = async (name: string): Promise<void> => {
    quietAnnouncer(name, 'boot1', ({ beat }) => bus.publish('presence.beat', beat)).beat();
    await settle();
  };
  const told: number[] = [];
  for (const waitMs of [0, 1_000, 60_000]) {
    clock.advance(waitMs);
    await say(`n${waitMs}`);
    asked.at(-1)?.answer.reject(new Error('nobody has that name'));
    await settle();
    told.push(errors.length);
  }
  assert.deepEqual(told, [1, 1, 2]);
  asked.splice(0);
  for (let index = 0; index < nodesMax + 2; index += 1) {
    const made = quietAnnouncer(`m${index}`, 'boot1', ({ beat }) => bus.publish('presence.beat', beat));
    made.beat();
  }
  await settle();
  assert.equal(asked.length, nodesMax);
  await heard.stop();
});

it('believes a goodbye that is heard on the bus when the node answers no more', async () => {
  const { table: heard, take, ids, asked, bus } = table();
  heard.start();
  const node = quietAnnouncer('a', 'boot1', take);
  node.start();
  node.up(tunnel('t1'));
  const forge = (bootId: string): void => {
    const forger = quietAnnouncer('a', bootId, ({ beat }) => {
      if (beat?.goodbye === true) bus.publish('presence.beat', beat);
    });
    forger.start();
    forger.stop();
  };
  forge('boot1');
  forge('boot0');
  await settle();
  assert.deepEqual([ids(), asked.length], [['t1'], 1]);
  asked[0]?.answer.resolve(node.page());
  await settle();
  node.up(tunnel('t2'));
  assert.deepEqual(ids(), ['t1', 't2']);
  forge('boot1');
  await settle();
  asked[1]?.answer.reject(new Error('nobody serves it'));
  await settle();
  node.up(tunnel('t3'));
  assert.deepEqual([ids(), heard.nodes()], [[], []]);
  await heard.stop();
});

it('puts tunnels of a node unheard for 3 s last, and forgets it after 10 minutes', async () => {
  const { table: heard, clock, take, ids } = table();
  heard.start();
  const [silent, lively] = [quietAnnouncer('a', 'boot1', take), quietAnnouncer('b', 'boot1', take)];
  silent.up(tunnel('t1'));
  lively.up(tunnel('t2'));
  assert.deepEqual(
    heard.tunnels('g').map(({ node }) => node),
    ['a', 'b'],
  );
  clock.advance(quietAfterMs + 1);
  lively.beat();
  assert.deepEqual([heard.isQuiet('a'), heard.isQuiet('b'), heard.isQuiet('unknown')], [true, false, true]);
  assert.deepEqual(
    heard.tunnels('g').map(({ node }) => node),
    ['b', 'a'],
  );
  clock.advance(forgetAfterMs - quietAfterMs - 1);
  assert.deepEqual(ids(), ['t1', 't2']);
  lively.beat();
  clock.advance(1_000);
  assert.deepEqual(ids(), ['t2']);
  silent.up(tunnel('t3'));
  await heard.stop();
  assert.equal(clock.timers, 0);
});

it('puts a node whose relay link broke last until it is there again', () => {
  const { table: heard, take } = table();
  quietAnnouncer('a', 'boot1', take).up(tunnel('t1'));
  quietAnnouncer('b', 'boot1', take).up(tunnel('t2'));
  heard.setSuspect('a', true);
  assert.deepEqual(
    heard.tunnels('g').map(({ node }) => node),
    ['b', 'a'],
  );
  heard.setSuspect('a', false);
  assert.equal(heard.isQuiet('a'), false);
});

it('keeps at most nodesMax nodes', () => {
  const { table: heard, take, errors } = table();
  for (let index = 0; index <= nodesMax; index += 1) quietAnnouncer(`n${index}`, 'boot1', take).beat();
  assert.equal(heard.nodes().length, nodesMax);
  assert.equal((errors[0] as { code: string }).code, 'REPLICA_PRESENCE_FULL');
});

it('holds at most heldMax announcements, and what was lost of more is asked for', async () => {
  const { take, ids, asked } = table();
  let lost = true;
  const node = quietAnnouncer('a', 'boot1', (announcement) => lost || take(announcement));
  node.up(tunnel('t0'));
  lost = false;
  node.up(tunnel('t1'));
  const early = node.page();
  for (let index = 0; index < heldMax; index += 1) node.up(tunnel('t2', 'g', `10.0.0.${index}`));
  node.down('t1');
  asked[0]?.answer.resolve(early);
  await settle();
  node.beat();
  asked[1]?.answer.resolve(node.page());
  await settle();
  assert.deepEqual(ids(), ['t0', 't2']);
});

it('holds no more announcements with long lists than heldCharactersMax, and what was lost of more is asked for', () => {
  const origin = { node: 'a', bootId: 'boot1', startedAt: '2026-01-01T00:00:00Z' };
  const none = { lists: new OwnLists(), onChange: () => {} };
  const node = new PresenceNode({ ...origin, sequence: 0 }, 0, none);
  const rule = { action: 'allow', host: 'h'.repeat(200), port: 1 } as never;
  const up = { ...tunnel('t'), ownRules: Array.from({ length: 200 }, () => rule) };
  const characters = JSON.stringify({ ...origin, sequence: 1000, up }).length;
  const held = Math.floor(heldCharactersMax / characters);
  assert.ok(held < 1000);
  assert.equal(node.handleBeat({ ...origin, sequence: 1, tunnels: 0, digest: '' } as never), true);
  for (let round = 0; round < 2; round += 1) {
    const first = 10 + round * 2_000;
    for (let sequence = first; sequence < first + 1_000; sequence += 1)
      node.handleTunnel({ ...origin, sequence, up });
    assert.equal(node.handleSnapshot({ ...origin, sequence: first - 1, tunnels: [] } as never), false);
    assert.equal(node.tunnels.size, 1);
    const beat = { ...origin, sequence: first + 999, tunnels: 1, digest: '' } as never;
    assert.equal(node.handleBeat(beat), true, 'the last of them were lost');
  }
});

it('tells of nodes and tunnels that come, change and go', async () => {
  const told: string[] = [];
  const bus = memoryBus();
  const clock = new ManualClock();
  const onError = (error: unknown): void => assert.fail(String(error));
  const heard = new PresenceTable({
    bus,
    clock,
    onError,
    onNode: (node) => told.push(`node ${node}`),
    onTunnel: (node, now, before) => told.push(`${node} ${before?.tunnelId ?? '-'} ${now?.tunnelId ?? '-'}`),
  });
  heard.start();
  const address = { node: 'a', zone: 'z', host: 'h', port: 1, serverName: 's' };
  const facts = { node: 'a', bootId: 'boot1', startedAt: 'then', version: '1' };
  let draining = false;
  const describe = () => ({ address, ready: true, draining });
  const node = new PresenceAnnouncer({ bus, ...facts, describe, onError, clock });
  node.start();
  node.up(tunnel('t1'));
  await settle();
  clock.advance(1_000);
  draining = true;
  clock.advance(1_000);
  await settle();
  const { zone, address: place, heard: isHeard, tunnels } = heard.nodes()[0] ?? assert.fail();
  assert.deepEqual([zone, place, isHeard, tunnels], ['z', 'h:1', true, 1]);
  assert.deepEqual(heard.addressOf('a'), address);
  node.stop();
  await settle();
  assert.deepEqual(told, ['node a', 'a - t1', 'node a', 'a t1 -', 'node a']);
  await heard.stop();
  assert.equal(clock.timers, 0);
});

it('learns the set of a node that was there before it, over the bus', async () => {
  const bus = memoryBus();
  const clock = new ManualClock();
  const onError = (error: unknown): void => assert.fail(String(error));
  const describe = () => ({
    address: { node: 'a', zone: '', host: 'h', port: 1, serverName: 's' },
    ready: true,
    draining: false,
  });
  const node = new PresenceAnnouncer({
    bus,
    node: 'a',
    bootId: 'b',
    startedAt: 'then',
    version: '1',
    describe,
    onError,
    clock,
  });
  node.start();
  for (let index = 0; index < 3_000; index += 1) node.up(tunnel(`t${index}`));
  await settle();
  const heard = new PresenceTable({ bus, clock, onError });
  heard.start();
  clock.advance(1_000);
  for (let turn = 0; turn < 30; turn += 1) await settle();
  assert.equal(heard.tunnels('g').length, 3_000);
  node.stop();
  await heard.stop();
});

it('does nothing for what comes again as it was, and hashes nothing of a node that goes', (t) => {
  const changes: string[] = [];
  const origin = { node: 'a', bootId: 'b', startedAt: 'then', sequence: 1 };
  const node = new PresenceNode(origin, 0, {
    lists: new OwnLists(),
    onChange: (now, before) => changes.push(`${before?.address ?? 'none'} -> ${now?.address ?? 'none'}`),
  });
  const ids = Array.from({ length: 100 }, (_, index) => `t${index}`);
  const ownRules = [{ action: 'allow' as const, host: 'a', port: '1' }];
  const set = (address: string) =>
    ids.map((id) => ({ ...tunnel(id, 'g', id === 't7' ? address : 'same'), ownRules }));
  const take = (sequence: number, address: string): boolean =>
    node.handleSnapshot({ ...origin, sequence, tunnels: set(address), more: false });
  take(1, 'one');
  assert.equal(changes.length, 100);
  const toggle = t.mock.method(TunnelDigest.prototype, 'toggle');
  take(2, 'two');
  assert.deepEqual(changes.splice(0).slice(100), ['one -> two']);
  node.clear();
  assert.deepEqual([changes.length, node.tunnels.size, toggle.mock.callCount()], [100, 0, 0]);
});
