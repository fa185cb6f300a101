import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lookups } from './lookups.ts';

/** A system that answers when it is told to. */
class SlowSystem {
  readonly asked: string[] = [];
  now = 0;
  readonly #waiting = new Map<string, PromiseWithResolvers<string[]>>();
  readonly lookups = new Lookups(
    (host) => {
      this.asked.push(host);
      const answer = Promise.withResolvers<string[]>();
      this.#waiting.set(host, answer);
      return answer.promise;
    },
    () => this.now,
  );

  async answer(host: string): Promise<void> {
    this.#waiting.get(host)?.resolve([`address of ${host}`]);
    await new Promise((resolve) => setImmediate(resolve));
  }

  async fail(host: string): Promise<void> {
    this.#waiting.get(host)?.reject(new Error('EAI_AGAIN'));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const { signal } = new AbortController();

test('a name is looked up once for all who ask meanwhile, and anew for who asks later', async () => {
  const system = new SlowSystem();
  const all = Array.from({ length: 100 }, () => system.lookups.find('one', 'db.corp', signal));
  await system.answer('db.corp');
  for (const found of await Promise.all(all)) assert.deepEqual(found, ['address of db.corp']);
  const late = system.lookups.find('one', 'db.corp', signal);
  const rejected = assert.rejects(late, /EAI_AGAIN/);
  await system.fail('db.corp');
  await rejected;
  assert.deepEqual(system.asked, ['db.corp', 'db.corp']);
});

test('names that nobody answers for leave threads to other owners, and those of one owner wait in line', async () => {
  const system = new SlowSystem();
  const found: string[] = [];
  for (const owner of ['one', 'two'])
    for (let n = 0; n < 20; n += 1)
      void system.lookups.find(owner, `${owner}-${n}`, signal).then((all) => found.push(...all));
  assert.deepEqual(system.asked, ['one-0', 'one-1', 'one-2', 'one-3', 'two-0', 'two-1']);
  const other = system.lookups.find('three', 'db.corp', signal);
  await system.answer('db.corp');
  assert.deepEqual(await other, ['address of db.corp']);
  await system.answer('one-2');
  assert.deepEqual([system.asked.length, found], [7, ['address of one-2']]);
  await system.answer('one-1');
  assert.deepEqual(system.asked.slice(7), ['one-4']);
});

test('who gives up is told at once; a name that nobody waits for any more is not looked up', async () => {
  const system = new SlowSystem();
  const abort = new AbortController();
  const names = ['a', 'b', 'c', 'd', 'e', 'e', 'f'];
  const all = names.map((name) => system.lookups.find('one', name, abort.signal));
  const kept = system.lookups.find('one', 'f', signal);
  abort.abort(new Error('gone'));
  for (const one of all) await assert.rejects(one, /gone/);
  await system.fail('a');
  await system.answer('f');
  assert.deepEqual(await kept, ['address of f']);
  assert.deepEqual(system.asked, ['a', 'b', 'c', 'd', 'f']);
});

test('names that were slow the last time leave threads to the others of their owner', async () => {
  const system = new SlowSystem();
  const slow = ['a', 'b', 'c', 'd'];
  const ask = (name: string) => void system.lookups.find('one', name, signal).catch(() => {});
  for (const name of slow) ask(name);
  system.now = 10_000;
  for (const name of slow) await system.fail(name);
  for (const name of [...slow, 'e', 'f']) ask(name);
  assert.deepEqual(system.asked.slice(4), ['a', 'b', 'e', 'f']);
  await system.answer('a');
  assert.deepEqual(system.asked.slice(8), ['c']);
  await system.answer('c');
  await system.answer('b');
  ask('a');
  ask('c');
  assert.deepEqual(system.asked.slice(9), ['d', 'a']);
});
