import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { silentLogger } from '@postern/telemetry';
import { TurnedAway } from '../errors.ts';
import { TestAuthority } from '../fixture/authority.ts';
import { frontOf, routeOf } from '../fixture/documents.ts';
import { NewestLists, casPerUrlMax } from './newest-lists.ts';
import { RevocationLists, fetchDelayMs } from './revocation-lists.ts';

const againMs = 15 * 60_000;
const retryMs = 30_000;
const dayMs = 24 * 60 * 60_000;

test('a list is fetched again every quarter of an hour, and every half a minute once it is about to end', () => {
  const minuteMs = 60_000;
  const delayWith = (leftMs: number): number => fetchDelayMs(new Date(1_000_000 + leftMs), 1_000_000);
  assert.equal(fetchDelayMs(null, 1_000_000), 15 * minuteMs);
  assert.equal(delayWith(60 * minuteMs), 15 * minuteMs);
  assert.equal(delayWith(10 * minuteMs), 9.5 * minuteMs);
  for (const leftMs of [minuteMs, minuteMs / 2, 0, -60 * minuteMs]) assert.equal(delayWith(leftMs), 30_000);
});

test('a list that is older than the one that is here is not taken, but where that one is from the future', () => {
  const newest = new NewestLists();
  const take = (at: number) => newest.take(new Map([['CA', { made: new Date(at) }]]), new Date(5_000));
  for (const at of [1_000, 2_000, 2_000, 6_000, 2_000]) assert.equal(take(at).fault, null);
  const { taken, fault } = take(1_000);
  assert.match(fault ?? '', /older than one of the same CA that was taken/);
  assert.equal(taken.size, 0);
});

test('of one URL lists are taken of so many CAs and no more, and of those it has begun with from then on', () => {
  const newest = new NewestLists();
  const take = (ca: number) =>
    newest.take(new Map([[String(ca), { made: new Date(1_000) }]]), new Date(5_000));
  for (let ca = 0; ca < casPerUrlMax; ca += 1) take(ca);
  assert.throws(() => take(casPerUrlMax), /more than 1000 CAs/);
  take(casPerUrlMax - 1);
});

test('of a URL nothing is taken but a list, whole and from where it was asked for, and nobody is let in meanwhile', async (t) => {
  const ca = await TestAuthority.make('Client CA');
  t.after(() => ca.remove());
  const list = await ca.revocationList([]);
  const answers: Record<string, (response: ServerResponse) => void> = {
    '/list': (response) => response.end(list),
    '/moved': (response) => response.writeHead(302, { location: '/list' }).end(),
    '/gone': (response) => response.writeHead(404).end(list),
    '/page': (response) => response.end('<html>'),
    '/cut': (response) => response.end(list.slice(0, -40)),
    '/forged': (response) => response.end(forged),
    '/long': (response) => response.end(list.padEnd(1024 * 1024 + 1)),
  };
  const server = createServer(({ url = '' }, response) => answers[url]?.(response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const certificates = { get: () => ({ chainPem: ca.caPem }), observe: () => () => {} };
  const lists = new RevocationLists({ hosts: ['127.0.0.1'], certificates, logger: silentLogger });
  t.after(() => lists.stop());
  const stranger = await TestAuthority.make('Client CA');
  t.after(() => stranger.remove());
  const forged = await stranger.revocationList([]);

  const outcome = async (path: string): Promise<string> => {
    const { tls } = frontOf();
    const revocationListUrls = [`http://127.0.0.1:${port}${path}`];
    const front = frontOf({ tls: { ...tls, mode: 'mutual', clientCaIds: ['ca'], revocationListUrls } });
    const of = (): string => {
      try {
        return lists.of('d1', front.tls).join('');
      } catch (error) {
        assert(error instanceof TurnedAway);
        return error.message;
      }
    };
    assert.match(of(), /not fetched yet/);
    lists.apply('d1', routeOf({ front }));
    while (/not fetched yet/.test(of())) await new Promise(setImmediate);
    const found = of();
    lists.apply('d1', null);
    assert.match(of(), /not fetched yet/, 'what nothing names any more is dropped');
    return found;
  };
  assert.equal(await outcome('/list'), list);
  for (const [path, fault] of [
    ['/moved', /is not here: fetch failed: unexpected redirect/],
    ['/gone', /answered with status 404/],
    ['/page', /it is no revocation list/],
    ['/cut', /it is no revocation list/],
    ['/forged', /it is signed by no CA that is believed here/],
    ['/long', /it is longer than 1048576 bytes/],
  ] as const)
    assert.match(await outcome(path), fault, path);
});

test('a list is fetched again in its time; one that cannot be had, or is older, leaves the last one standing', async (t) => {
  const { ca, old, answer, stands } = await serve(t);
  assert.equal(await answer(old), againMs);
  assert.equal(stands(), old);
  assert.equal(await answer(null), retryMs);
  assert.equal(stands(), old);
  const newer = await ca.revocationList([]);
  assert.equal(await answer(newer), againMs);
  assert.equal(stands(), newer);
  assert.equal(await answer(old), retryMs);
  assert.equal(stands(), newer);
});

test('an older list is not taken in company either, nor behind one of another CA or one from the future', async (t) => {
  const other = await TestAuthority.make('Other CA');
  t.after(() => other.remove());
  const { ca, old, answer, stands } = await serve(t, [other.caPem]);
  const [newer, ofOther] = [await ca.revocationList([]), await other.revocationList([])];
  const ofTomorrow = await ca.revocationList([], new Date(Date.now() + dayMs));
  for (const [list, stays] of [
    [newer, newer],
    [old + newer, newer],
    [ofOther, newer + ofOther],
    [old, newer + ofOther],
    [ofTomorrow, ofTomorrow + ofOther],
    [old, ofTomorrow + ofOther],
    [newer, newer + ofOther],
  ] as const) {
    await answer(list);
    assert.equal(stands(), stays);
  }
});

test('beside an older list of one CA the newer one of another is taken, and both are asked for again soon', async (t) => {
  const other = await TestAuthority.make('Other CA');
  t.after(() => other.remove());
  const { ca, old, answer, stands } = await serve(t, [other.caPem]);
  const [newer, ofOther] = [await ca.revocationList([]), await other.revocationList([])];
  await answer(newer);
  assert.equal(await answer(old + ofOther), retryMs);
  assert.equal(stands(), newer + ofOther);
  assert.equal(await answer(newer + ofOther), againMs);
});

test('a list that no client CA of the front signed is passed over, and alone leaves the last one standing', async (t) => {
  const { ca, old, answer, stands } = await serve(t);
  const [stranger, other] = [await TestAuthority.make('Client CA'), await TestAuthority.make('Other CA')];
  t.after(() => [stranger, other].forEach((one) => one.remove()));
  const [forged, ofOther] = [await stranger.revocationList([]), await other.revocationList([])];
  assert.equal(await answer(old), againMs);
  for (const list of [forged, ofOther, forged + ofOther]) {
    assert.equal(await answer(list), retryMs);
    assert.equal(stands(), old);
  }
  const newer = await ca.revocationList([]);
  assert.equal(await answer(forged + newer + ofOther), againMs);
  assert.equal(stands(), newer);
});

test('a list is asked for again at once when a client CA of the front comes to the node, or the front is given one more', async (t) => {
  const [other, third] = [await TestAuthority.make('Other CA'), await TestAuthority.make('Third CA')];
  t.after(() => [other, third].forEach((one) => one.remove()));
  const { lists, front, held, answer, observers, stands } = await serve(t);
  const tell = (id: string) => () => observers.forEach((observer) => observer(id));
  held.delete('ca');
  const ofOther = await other.revocationList([]);
  lists.apply('d1', routeOf({ front }));
  assert.throws(stands, /the client CAs that sign it have not come to this node yet/);
  held.set('ca', other.caPem);
  tell('unrelated')();
  assert.equal(await answer(ofOther, tell('ca')), againMs);
  assert.equal(stands(), ofOther);
  held.set('more', third.caPem);
  const both = ofOther + (await third.revocationList([]));
  const tls = { ...front.tls, clientCaIds: ['ca', 'more'] };
  const more = routeOf({ id: 'd2', front: { ...front, tls } });
  assert.equal(await answer(both, () => lists.apply('d2', more)), againMs);
  assert.equal(stands(), both);
});

test('a client CA that comes while a list is fetched has it asked for once more', async (t) => {
  const { server, old, answer, ask, observers, stands } = await serve(t);
  const asked = once(server, 'request') as Promise<[IncomingMessage, ServerResponse]>;
  ask();
  const [, response] = await asked;
  const again = (): void => {
    observers.forEach((observer) => observer('ca'));
    response.end(old);
  };
  assert.equal(await answer(old, again), againMs);
  assert.equal(stands(), old);
});

test('the last list of each CA stands while the URL gives that of another, until the CA is none of the front', async (t) => {
  const other = await TestAuthority.make('Other CA');
  t.after(() => other.remove());
  const { ca, old, held, answer, observers, stands } = await serve(t, [other.caPem]);
  const [ofOther, laterOfOther] = [await other.revocationList([]), await other.revocationList([])];
  for (const [list, stays] of [
    [old, old],
    [ofOther, old + ofOther],
    [old, old + ofOther],
    [laterOfOther, old + laterOfOther],
  ] as const) {
    assert.equal(await answer(list), againMs);
    assert.equal(stands(), stays);
  }
  held.set('ca', ca.caPem);
  await answer(old, () => observers.forEach((observer) => observer('ca')));
  assert.equal(stands(), old);
});

test('a list that is asked for out of its time is not asked for in it as well', async (t) => {
  const { lists, old, timers, answer, observers } = await serve(t);
  const cleared = new Set<unknown>();
  const { clearTimeout: clearReal } = globalThis;
  t.mock.method(globalThis, 'clearTimeout', (timer: NodeJS.Timeout) => {
    cleared.add(timer);
    clearReal(timer);
  });
  const waiting = (): number => timers.filter((timer) => !cleared.has(timer)).length;
  await answer(old);
  assert.equal(waiting(), 1);
  await answer(old, () => observers.forEach((observer) => observer('ca')));
  assert.equal(timers.length, 2);
  assert.equal(waiting(), 1);
  lists.stop();
  assert.equal(waiting(), 0);
});

test('a list that two destinations name is fetched for the one that is left, and once all is stopped for none', async (t) => {
  const { lists, server, old, answer, ask, stands, front, observers } = await serve(t);
  await answer(old);
  lists.apply('d2', routeOf({ id: 'd2', front }));
  lists.apply('d1', null);
  assert.equal(await answer(null), retryMs);
  assert.equal(stands(), old);
  const asked = once(server, 'request') as Promise<[IncomingMessage, ServerResponse]>;
  ask();
  const [, response] = await asked;
  lists.stop();
  await once(response, 'close');
  assert.throws(stands, TurnedAway);
  assert.equal(observers.size, 0);
});

/**
 * A CA with a list of yesterday, at a URL that a destination names. `answer` has the list asked for, whose time it is, and
 * answered so, or with an error for null; it resolves with how long after that it is to be asked for again.
 */
async function serve(t: TestContext, otherCas: readonly string[] = []) {
  const ca = await TestAuthority.make('Client CA');
  t.after(() => ca.remove());
  const old = await ca.revocationList([], new Date(Date.now() - dayMs));
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const revocationListUrls = [`http://127.0.0.1:${port}/list`];
  const front = frontOf({
    tls: { ...frontOf().tls, mode: 'mutual', clientCaIds: ['ca'], revocationListUrls },
  });
  const held = new Map([['ca', [ca.caPem, ...otherCas].join('')]]);
  const observers = new Set<(id: string) => void>();
  const certificates = {
    get: (id: string) => {
      const chainPem = held.get(id);
      return chainPem === undefined ? undefined : { chainPem };
    },
    observe: (observer: (id: string) => void) => {
      observers.add(observer);
      return () => observers.delete(observer);
    },
  };
  const lists = new RevocationLists({ hosts: ['127.0.0.1'], certificates, logger: silentLogger });
  t.after(() => lists.stop());

  const timers: NodeJS.Timeout[] = [];
  let ask = (): void => lists.apply('d1', routeOf({ front }));
  let onSet = (_ms: number): void => {};
  const { setTimeout: setReal } = globalThis;
  t.mock.method(globalThis, 'setTimeout', (run: () => void, ms: number) => {
    if (ms !== againMs && ms !== retryMs) return setReal(run, ms);
    ask = run;
    onSet(ms);
    const timer = setReal(() => {}, ms);
    timers.push(timer);
    return timer;
  });
  const answer = async (list: string | null, asking = (): void => ask()): Promise<number> => {
    const asked = once(server, 'request') as Promise<[IncomingMessage, ServerResponse]>;
    const set = new Promise<number>((resolve) => (onSet = resolve));
    asking();
    const [, response] = await asked;
    response.writeHead(list === null ? 500 : 200).end(list);
    return set;
  };
  return {
    ca,
    lists,
    server,
    front,
    old,
    held,
    observers,
    timers,
    answer,
    ask: () => ask(),
    stands: () => lists.of('d1', front.tls).join(''),
  };
}
