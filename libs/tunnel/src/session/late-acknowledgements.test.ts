import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestClock } from '../test-world.ts';
import { type Acknowledger, LateAcknowledgements } from './late-acknowledgements.ts';

const delayMs = 25;

function acknowledger(): Acknowledger & { count: number } {
  return {
    acknowledgesIn: null,
    count: 0,
    acknowledge() {
      this.count += 1;
    },
  };
}

test('what is late is acknowledged once, when the delay of the first is over', async () => {
  const clock = new TestClock();
  const late = new LateAcknowledgements(clock, delayMs);
  const [one, two] = [acknowledger(), acknowledger()];
  late.add(one);
  late.add(one);
  await clock.advance(delayMs - 1);
  late.add(two);
  assert.deepEqual([one.count, two.count], [0, 0]);
  await clock.advance(1);
  assert.deepEqual([one.count, two.count], [1, 1]);
  await clock.advance(delayMs);
  assert.deepEqual([one.count, two.count], [1, 1]);
  late.add(one);
  await clock.advance(delayMs);
  assert.deepEqual([one.count, two.count], [2, 1]);
});

test('who has left is not acknowledged, and who comes back within the delay once', async () => {
  const clock = new TestClock();
  const late = new LateAcknowledgements(clock, delayMs);
  const [gone, back] = [acknowledger(), acknowledger()];
  late.add(gone);
  late.add(back);
  late.delete(gone);
  late.delete(back);
  late.add(back);
  await clock.advance(delayMs);
  assert.deepEqual([gone.count, back.count], [0, 1]);
});

test('who has moved to another session is acknowledged there alone', async () => {
  const clock = new TestClock();
  const [former, next] = [
    new LateAcknowledgements(clock, delayMs),
    new LateAcknowledgements(clock, 2 * delayMs),
  ];
  const path = acknowledger();
  former.add(path);
  former.delete(path);
  next.add(path);
  former.delete(path);
  await clock.advance(delayMs);
  assert.equal(path.count, 0);
  await clock.advance(delayMs);
  assert.equal(path.count, 1);
});

test('nobody is acknowledged after the session has stopped, and who was late can be so elsewhere', async () => {
  const clock = new TestClock();
  const [former, next] = [new LateAcknowledgements(clock, delayMs), new LateAcknowledgements(clock, delayMs)];
  const path = acknowledger();
  former.add(path);
  former.stop();
  next.add(path);
  await clock.advance(delayMs);
  assert.equal(path.count, 1);
});
