import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Deadline } from './deadline.ts';
import { connectToFirst } from './first-address.ts';

/** Tries under hand: what was begun, given up, thrown away, and how each is to end. */
function tries() {
  const begun = new Map<string, PromiseWithResolvers<string>>();
  const [ended, discarded, faults]: string[][] = [[], [], []];
  return {
    begun,
    ended,
    discarded,
    faults,
    connect: (address: string, signal: AbortSignal) => {
      const end = Promise.withResolvers<string>();
      begun.set(address, end);
      signal.addEventListener('abort', () => {
        ended?.push(address);
        end.reject(signal.reason);
      });
      return end.promise;
    },
    discard: (connected: string) => void discarded?.push(connected),
    onFault: (address: string) => void faults?.push(address),
  };
}

const never = new AbortController().signal;
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('connect to the first address', () => {
  it('tries the next address beside one that is silent, takes the first that connects, and ends the others', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const all = tries();
    const first = connectToFirst(['a', 'b', 'c'], all, new Deadline(30), never);
    assert.deepEqual([...all.begun.keys()], ['a']);
    t.mock.timers.tick(249);
    assert.deepEqual([...all.begun.keys()], ['a']);
    t.mock.timers.tick(1);
    assert.deepEqual([...all.begun.keys()], ['a', 'b']);
    all.begun.get('b')?.resolve('to b');
    assert.deepEqual(await first, { address: 'b', connected: 'to b' });
    assert.deepEqual([all.ended, all.faults], [['a'], []]);
    t.mock.timers.tick(1_000);
    assert.deepEqual([...all.begun.keys()], ['a', 'b']);
  });

  it('tries the next address at once where one fails, and tells the faults when all have', async () => {
    const all = tries();
    const first = connectToFirst(['a', 'b'], all, new Deadline(30), never);
    for (const address of ['a', 'b']) {
      all.begun.get(address)?.reject(new Error('refused'));
      await turn();
    }
    assert.equal(await first, null);
    assert.deepEqual(all.faults, ['a', 'b']);
  });

  it('has four under way at most: the oldest is given up for the next', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const all = tries();
    const first = connectToFirst(['a', 'b', 'c', 'd', 'e', 'f'], all, new Deadline(30), never);
    for (let more = 0; more < 5; more += 1) t.mock.timers.tick(250);
    await turn();
    assert.deepEqual(
      [all.ended, all.faults],
      [
        ['a', 'b'],
        ['a', 'b'],
      ],
    );
    all.begun.get('f')?.resolve('to f');
    assert.equal((await first)?.address, 'f');
  });

  it('closes a connection that comes when another was first, and ends all when nobody waits any more', async () => {
    const all = tries();
    const gone = new AbortController();
    const first = connectToFirst(['a', 'b'], all, new Deadline(0), gone.signal);
    all.begun.get('a')?.resolve('to a');
    gone.abort(new Error('gone'));
    await assert.rejects(first, /gone/);
    await turn();
    assert.deepEqual(all.discarded, ['to a']);
  });
});
