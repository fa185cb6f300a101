import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type StopWaiting, TunnelGaps, gapMs, gapsMax } from './tunnel-gaps.ts';

const never = Number.MAX_SAFE_INTEGER;

function start(waitingMax = 8) {
  const clock = { now: 1_000 };
  return { clock, gaps: new TunnelGaps({ waitingMax, now: () => clock.now }) };
}

test('who comes in a gap tries again once, when a tunnel of the same gateway is up', () => {
  const { gaps } = start();
  gaps.handleLoss('a');
  gaps.handleLoss('b');
  const tries: string[] = [];
  for (const gateway of ['a', 'b'])
    assert.notEqual(
      gaps.wait(gateway, never, () => tries.push(gateway)),
      null,
    );
  gaps.handleTunnel('a');
  gaps.handleTunnel('a');
  assert.deepEqual(tries, ['a']);
  gaps.handleTunnel('b');
  assert.deepEqual([tries, gaps.waiting], [['a', 'b'], 0]);
});

test('a gateway that lost no tunnel, or lost it longer ago, is not waited for', () => {
  const { gaps, clock } = start();
  assert.equal(gaps.wait('a', never, assert.fail), null);
  gaps.handleLoss('a');
  clock.now += gapMs;
  assert.equal(gaps.wait('a', never, assert.fail), null);
});

test('a wait ends with the gap, or before it at the caller’s own time', async () => {
  const { gaps, clock } = start();
  gaps.handleLoss('a');
  assert.equal(gaps.wait('a', clock.now, assert.fail), null);
  await new Promise<void>((resolve) => gaps.wait('a', clock.now + 1, resolve));
  clock.now += gapMs - 1;
  await new Promise<void>((resolve) => gaps.wait('a', never, resolve));
  assert.equal(gaps.waiting, 0);
});

test('who tries again in vain may wait again, and who stopped is not called', () => {
  const { gaps } = start();
  gaps.handleLoss('a');
  let tries = 0;
  let stopLast: StopWaiting | null = null;
  const wait = (): void => {
    stopLast = gaps.wait('a', never, retry);
  };
  const retry = (): void => {
    tries += 1;
    wait();
  };
  wait();
  const stop = gaps.wait('a', never, assert.fail);
  stop?.();
  stop?.();
  gaps.handleTunnel('a');
  assert.deepEqual([tries, gaps.waiting], [1, 1]);
  gaps.handleTunnel('a');
  assert.deepEqual([tries, gaps.waiting], [2, 1]);
  (stopLast as StopWaiting | null)?.();
});

test('no more callers wait than the bound', () => {
  const { gaps } = start(1);
  gaps.handleLoss('a');
  const stop = gaps.wait('a', never, assert.fail);
  assert.equal(gaps.wait('a', never, assert.fail), null);
  stop?.();
  gaps.wait('a', never, () => {});
  gaps.handleTunnel('a');
});

test('callers of one gateway have half of the places, so that those of another can wait too', () => {
  const { gaps } = start(4);
  for (const gateway of ['a', 'b']) gaps.handleLoss(gateway);
  const stops = [1, 2].map(() => gaps.wait('a', never, assert.fail));
  assert.equal(gaps.wait('a', never, assert.fail), null);
  stops.push(gaps.wait('b', never, assert.fail));
  assert.ok(!stops.includes(null));
  stops.shift()?.();
  stops.push(gaps.wait('a', never, assert.fail));
  assert.ok(!stops.includes(null));
  for (const stop of stops) stop?.();
  assert.equal(gaps.waiting, 0);
});

test('of more losses than are remembered the oldest is let go', () => {
  const { gaps } = start();
  for (let i = 0; i <= gapsMax; i += 1) gaps.handleLoss(`g${i}`);
  assert.equal(gaps.wait('g0', never, assert.fail), null);
  const stop = gaps.wait('g1', never, assert.fail);
  assert.notEqual(stop, null);
  stop?.();
});
