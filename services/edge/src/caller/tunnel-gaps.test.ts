import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type StopWaiting, TunnelGaps, gapMs, gapsMax, startGapMs } from './tunnel-gaps.ts';

const never = Number.MAX_SAFE_INTEGER;

function start() {
  const clock = { now: 1_000 };
  return { clock, gaps: new TunnelGaps(() => clock.now) };
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
  assert.deepEqual(tries, ['a', 'b']);
});

test('a gateway that lost no tunnel, or lost it longer ago, is not waited for', () => {
  const { gaps, clock } = start();
  assert.equal(gaps.wait('a', never, assert.fail), null);
  gaps.handleLoss('a');
  clock.now += gapMs;
  assert.equal(gaps.wait('a', never, assert.fail), null);
});

test('when a node begins to take callers every gateway has a gap, as its clients may not be back yet', () => {
  const { gaps, clock } = start();
  gaps.handleStart();
  clock.now += startGapMs - 1;
  let tries = 0;
  assert.notEqual(
    gaps.wait('a', never, () => (tries += 1)),
    null,
  );
  gaps.handleTunnel('a');
  assert.equal(tries, 1);
  clock.now += 1;
  assert.equal(gaps.wait('a', never, assert.fail), null);
});

test('a wait ends with the gap, or before it at the caller’s own time', async () => {
  const { gaps, clock } = start();
  gaps.handleLoss('a');
  assert.equal(gaps.wait('a', clock.now, assert.fail), null);
  await new Promise<void>((resolve) => gaps.wait('a', clock.now + 1, resolve));
  clock.now += gapMs - 1;
  await new Promise<void>((resolve) => gaps.wait('a', never, resolve));
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
  assert.equal(tries, 1);
  gaps.handleTunnel('a');
  assert.equal(tries, 2);
  (stopLast as StopWaiting | null)?.();
});

test('of more losses than are remembered the oldest is let go', () => {
  const { gaps } = start();
  for (let i = 0; i <= gapsMax; i += 1) gaps.handleLoss(`g${i}`);
  assert.equal(gaps.wait('g0', never, assert.fail), null);
  const stop = gaps.wait('g1', never, assert.fail);
  assert.notEqual(stop, null);
  stop?.();
});
