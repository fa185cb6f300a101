import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { silentLogger } from '@postern/telemetry';
import { TurnedAway } from '../errors.ts';
import { TestAuthority } from '../fixture/authority.ts';
import { frontOf, routeOf } from '../fixture/documents.ts';
import { RevocationLists, demandNotOlder, fetchDelayMs } from './revocation-lists.ts';

test('a list is fetched again every quarter of an hour, and every half a minute once it is about to end', () => {
  const minuteMs = 60_000;
  const delayWith = (leftMs: number): number => fetchDelayMs(new Date(1_000_000 + leftMs), 1_000_000);
  assert.equal(fetchDelayMs(null, 1_000_000), 15 * minuteMs);
  assert.equal(delayWith(60 * minuteMs), 15 * minuteMs);
  assert.equal(delayWith(10 * minuteMs), 9.5 * minuteMs);
  for (const leftMs of [minuteMs, minuteMs / 2, 0, -60 * minuteMs]) assert.equal(delayWith(leftMs), 30_000);
});

test('a list that is older than the one that is here is not taken, but where that one is from the future', () => {
  const of = (thisUpdate: number) => ({ thisUpdate: new Date(thisUpdate) });
  demandNotOlder(of(1_000), null, 5_000);
  demandNotOlder(of(2_000), of(2_000), 5_000);
  demandNotOlder(of(1_000), of(6_000), 5_000);
  assert.throws(() => demandNotOlder(of(1_000), of(2_000), 5_000), /older than the one that is here/);
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
    '/long': (response) => response.end(list.padEnd(1024 * 1024 + 1)),
  };
  const server = createServer(({ url = '' }, response) => answers[url]?.(response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const lists = new RevocationLists({ hosts: ['127.0.0.1'], logger: silentLogger });
  t.after(() => lists.stop());

  const outcome = async (path: string): Promise<string> => {
    const { tls } = frontOf();
    const revocationListUrls = [`http://127.0.0.1:${port}${path}`];
    const front = frontOf({ tls: { ...tls, mode: 'mutual', revocationListUrls } });
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
    ['/moved', /is not here: fetch failed/],
    ['/gone', /answered with status 404/],
    ['/page', /it is no revocation list/],
    ['/cut', /it is no revocation list/],
    ['/long', /it is longer than 1048576 bytes/],
  ] as const)
    assert.match(await outcome(path), fault, path);
});
