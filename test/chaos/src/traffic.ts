/** Callers who come all the time to every node, over TCP, TLS and HTTP, send and fetch random sizes, and check every byte. */
import { type Exchange, type ExchangeResult } from '@postern/test-cluster';
import { passed } from '@postern/test-kit';
import type { Random } from './random.ts';
import { type Entry, type World, entries } from './world.ts';

const BYTES_MAX = 3 * 1024 * 1024;
const PAUSE_MS_MAX = 50;
/** Who was turned away comes back, but does not hammer. */
const TURNED_AWAY_PAUSE_MS = 200;
/** A stream waits 60 s for a path; whoever is not over long after that hangs. */
const HANGS_AFTER_MS = 120_000;

/** One exchange and when it was. */
export interface Call extends ExchangeResult {
  readonly node: number;
  readonly entry: Entry;
  readonly startedAt: number;
  readonly endedAt: number;
}

/** One caller's exchanges, one after the other until it is told to end. */
export async function callOnAndOn(
  world: World,
  node: number,
  random: Random,
  until: AbortSignal,
): Promise<Call[]> {
  const calls: Call[] = [];
  while (!until.aborted) {
    const size = (): number => Math.floor(random.next() ** 4 * BYTES_MAX);
    const wanted = { sendBytes: size(), receiveBytes: size(), seed: random.between(1, 1_000_000) };
    const call = await callOnce(world, node, random.pick<Entry>(entries), wanted);
    calls.push(call);
    await passed(call.ok ? random.between(0, PAUSE_MS_MAX) : TURNED_AWAY_PAUSE_MS);
  }
  return calls;
}

/** One exchange; never rejects. */
export async function callOnce(world: World, node: number, entry: Entry, wanted: Exchange): Promise<Call> {
  const startedAt = performance.now();
  const { promise, resolve } = Promise.withResolvers<ExchangeResult>();
  const timer = setTimeout(() => {
    resolve({ ok: false, sent: 0, received: 0, milliseconds: HANGS_AFTER_MS, cause: 'hung' });
  }, HANGS_AFTER_MS);
  const result = await Promise.race([world.exchange(node, entry, wanted), promise]);
  clearTimeout(timer);
  return { ...result, node, entry, startedAt, endedAt: performance.now() };
}
