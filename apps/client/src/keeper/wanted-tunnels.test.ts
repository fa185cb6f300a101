import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { NodeAddress } from '@postern/contracts';
import type { Session } from '@postern/tunnel';
import type { Grant } from '../platform/grant.ts';
import { WantedTunnels } from './wanted-tunnels.ts';

const addressOf = (node: string): NodeAddress => ({ node, zone: '', host: 'h', port: 9000, serverName: 's' });

/** What was done, in order; calls and dials succeed in the same turn unless told otherwise. */
class World {
  readonly done: string[] = [];
  readonly sessions = new Map<number, { streamCount: number }>();
  fails: 'call' | 'dial' | null = null;
  /** What a dial waits for. */
  held: Promise<void> | null = null;
  readonly wanted = new WantedTunnels({
    call: () => {
      this.done.push('call');
      return this.fails === 'call'
        ? Promise.reject(new Error('no answer'))
        : Promise.resolve({ ticket: 't' } as Grant);
    },
    dial: async ({ id, address, ticket }) => {
      this.done.push(`dial ${id} ${address?.node} ${ticket}`);
      await this.held;
      if (this.fails === 'dial') throw new Error('refused');
      const session = { streamCount: 0 };
      this.sessions.set(id, session);
      return session as unknown as Session;
    },
    onUp: (id) => this.done.push(`up ${id}`),
    drain: (id, why) => this.done.push(`drain ${id}: ${why}`),
    onFailed: (node, error) => this.done.push(`${node}: ${String(error)}`),
  });

  async open(node: string): Promise<string[]> {
    this.wanted.want(addressOf(node));
    await new Promise(setImmediate);
    return this.done.splice(0);
  }
}

test('a tunnel that a node wants is opened to that node with a ticket of its own, and one at a time', async () => {
  const world = new World();
  assert.deepEqual(await world.open('a'), ['call', 'dial -1 a t', 'up -1']);
  assert.deepEqual(await world.open('a'), [], 'it has one');
  assert.deepEqual(await world.open('b'), ['call', 'dial -2 b t', 'up -2']);
  world.wanted.end();
});

test('one that cannot be opened is not tried again until it is wanted again', async () => {
  const world = new World();
  world.fails = 'call';
  assert.deepEqual(await world.open('a'), ['call', 'a: Error: no answer']);
  world.fails = 'dial';
  assert.deepEqual(await world.open('a'), ['call', 'dial -2 a t', 'a: Error: refused']);
  world.fails = null;
  assert.deepEqual(await world.open('a'), ['call', 'dial -3 a t', 'up -3']);
  world.wanted.end();
});

test('eight are the most', async () => {
  const world = new World();
  const opened = await Promise.all(Array.from({ length: 9 }, (_, i) => world.open(`n${i}`)));
  assert.equal(opened.flat().filter((line) => line.startsWith('up')).length, 8);
  assert.equal(world.wanted.forget(-1), true);
  assert.deepEqual(await world.open('n9'), ['call', 'dial -9 n9 t', 'up -9']);
  world.wanted.end();
});

test('one that carried no stream for a minute is drained, and one that carries any is not', async (t: TestContext) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const world = new World();
  await world.open('a');
  await world.open('b');
  const busy = world.sessions.get(-2) ?? assert.fail();
  busy.streamCount = 1;
  t.mock.timers.tick(55_000);
  assert.deepEqual(world.done, []);
  t.mock.timers.tick(5_000);
  assert.deepEqual(world.done.splice(0), ['drain -1: it carried nothing for 60 s']);
  busy.streamCount = 0;
  t.mock.timers.tick(30_000);
  busy.streamCount = 1;
  t.mock.timers.tick(5_000);
  busy.streamCount = 0;
  t.mock.timers.tick(55_000);
  assert.deepEqual(world.done, [], 'the minute begins anew');
  t.mock.timers.tick(5_000);
  assert.deepEqual(world.done, ['drain -2: it carried nothing for 60 s']);
});

test('those of a former token are drained, and one that was under way as soon as it is up', async () => {
  const world = new World();
  await world.open('a');
  world.wanted.want(addressOf('b'));
  world.wanted.leaveAll();
  await new Promise(setImmediate);
  assert.deepEqual(world.done.splice(0), ['call', 'drain -1: the token is another one']);
  assert.deepEqual(await world.open('b'), ['call', 'dial -3 b t', 'up -3']);
  const { promise, resolve } = Promise.withResolvers<void>();
  world.held = promise;
  assert.deepEqual(await world.open('c'), ['call', 'dial -4 c t']);
  world.wanted.leaveAll();
  resolve();
  await new Promise(setImmediate);
  assert.deepEqual(world.done, [
    'drain -3: the token is another one',
    'up -4',
    'drain -4: it is not wanted any more',
  ]);
  world.wanted.end();
});

test('a number that is the keeper’s is none of these', async () => {
  const world = new World();
  await world.open('a');
  assert.deepEqual([world.wanted.leave(1), world.wanted.forget(1)], [false, false]);
  assert.deepEqual([world.wanted.leave(-1), world.wanted.forget(-1)], [true, false]);
  assert.deepEqual(world.done, ['drain -1: its node leaves']);
});

test('none is opened after the end', async () => {
  const world = new World();
  world.wanted.want(addressOf('a'));
  world.wanted.end();
  await new Promise(setImmediate);
  assert.deepEqual(world.done.splice(0), ['call']);
  assert.deepEqual(await world.open('b'), []);
});
