import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Budget } from '../memory/budget.ts';
import { defaultLimits } from '../limit.ts';
import { ReceiveWindow } from './receive-window.ts';

const limits = defaultLimits;
const floor = limits.floorBytes;

function makeWindow(budget: Budget): ReceiveWindow {
  assert.ok(budget.take(floor));
  const window = new ReceiveWindow(limits, budget);
  window.start(false);
  return window;
}

/** The peer sends all it may, and the reader takes `bytes` of it. */
function readOn(window: ReceiveWindow, bytes: number, now: number, roundTripMs: number | null): void {
  window.received = window.limit;
  window.delivered = Math.min(window.received, window.delivered + bytes);
  if (window.due) {
    window.renew(now, roundTripMs);
    window.acknowledged = window.delivered;
  }
}

test('the first window is windowBytesInitial while there is plenty', () => {
  assert.equal(makeWindow(new Budget(2 ** 30)).limit, limits.windowBytesInitial);
});

test('a stream that was not accepted has the floor', () => {
  const budget = new Budget(2 ** 30);
  budget.take(floor);
  assert.equal(new ReceiveWindow(limits, budget).start(true), floor);
  assert.equal(budget.used, floor);
});

test('budgets beyond 2^31 are as good as smaller ones', () => {
  const window = makeWindow(new Budget(2 ** 33));
  assert.equal(window.limit, limits.windowBytesInitial);
  window.received = window.delivered = window.limit;
  assert.equal(window.renew(0, null), 2 * limits.windowBytesInitial);
});

test('a window doubles while half of it is used up in less than two round trips, up to windowBytesMax', () => {
  const window = makeWindow(new Budget(2 ** 30));
  let now = 0;
  for (let i = 0; i < 40; i += 1) readOn(window, window.window, (now += 10), 50);
  assert.equal(window.window, limits.windowBytesMax);
});

test('the peer hears of each MiB, however large the window: nobody waits while only half of it is under way', () => {
  const window = makeWindow(new Budget(2 ** 30));
  for (let i = 1; i < 40; i += 1) readOn(window, window.window, 10 * i, 50);
  window.received = window.limit;
  window.delivered = window.acknowledged + 2 ** 20 - 1;
  assert.equal(window.due, false);
  window.delivered += 1;
  assert.equal(window.due, true);
  const { limit } = window;
  assert.equal(window.renew(1_000, 50), limit + 2 ** 20);
});

test('a window that is renewed in small steps grows by the time in which half of it is used up', () => {
  const grown = (stepMs: number): number => {
    const window = makeWindow(new Budget(2 ** 30));
    for (let i = 1; i < 5; i += 1) readOn(window, window.window, 10 * i, 50);
    const { window: before } = window;
    for (let used = 0; used <= before / 2; used += 2 ** 20)
      readOn(window, 2 ** 20, 40 + (used / 2 ** 20) * stepMs, 50);
    return window.window / before;
  };
  assert.equal(grown(1), 2);
  assert.equal(grown(100), 1);
});

test('a window grows although the peer hears of all that is used up before it is due', () => {
  const grown = (stepMs: number): number => {
    const window = makeWindow(new Budget(2 ** 30));
    readOn(window, window.window, 10, 50);
    const { window: before } = window;
    assert.ok(before > limits.windowBytesInitial);
    for (let i = 1; i < 20; i += 1) {
      // Frames that come with the limit just do not make up a half, and a timer tells of them.
      window.received = window.delivered = window.delivered + before / 2 - 32;
      window.renew(10 + i * stepMs, 50);
      window.acknowledged = window.delivered;
    }
    return window.window / before;
  };
  assert.ok(grown(45) > 1);
  assert.equal(grown(120), 1);
});

test('a window does not grow without need: slow reader', () => {
  const slow = makeWindow(new Budget(2 ** 30));
  for (let i = 1; i < 40; i += 1) readOn(slow, slow.window >> 1, i * 200, 50);
  assert.equal(slow.window, limits.windowBytesInitial);
});

test('over a way whose round trip is not known a window grows while the peer waits for credit', () => {
  const window = makeWindow(new Budget(2 ** 30));
  for (let i = 1; i < 60; i += 1) readOn(window, window.window, i * 50, null);
  assert.equal(window.window, limits.windowBytesMax);
});

test('over a way whose round trip is not known the window of a slow sender or reader grows no further than it helps', () => {
  const window = makeWindow(new Budget(2 ** 30));
  let toldAt = 0;
  for (let now = 1; now < 100_000; now += 10) {
    window.received += 1_000;
    window.delivered = window.received;
    if (!window.due && now - toldAt < limits.acknowledgeDelayMs) continue;
    toldAt = now;
    window.renew(now, null);
    window.acknowledged = window.delivered;
  }
  assert.ok(window.window <= 4 * limits.windowBytesInitial, `${window.window}`);
});

test('over such a way the window of a sender that speaks now and then grows no further either, for an hour', () => {
  for (const [bytes, everyMs] of [
    [100, 20],
    [1_000, 10],
    [30_000, 10],
    [1_000, 100],
    [20_000, 250],
    [60_000, 1_000],
    [200_000, 5_000],
  ] as const) {
    const window = makeWindow(new Budget(2 ** 30));
    const tell = (now: number): void => {
      window.renew(now, null);
      window.acknowledged = window.delivered;
    };
    let toldAt = 0;
    for (let now = 1; now < 3_600_000; now += everyMs) {
      // The way takes 1 ms, and a timer tells of what is left.
      for (let left = bytes, at = now; left > 0; at += 1) {
        const come = Math.min(left, window.limit - window.received);
        left -= come;
        window.received += come;
        window.delivered = window.received;
        if (window.due) tell((toldAt = at));
      }
      if (now - toldAt < 25 && everyMs < 25) continue;
      toldAt = everyMs < 25 ? now : now + 25;
      tell(toldAt);
    }
    assert.ok(
      window.window <= 4 * limits.windowBytesInitial,
      `${bytes} each ${everyMs} ms: ${window.window}`,
    );
  }
});

test('with the budget out a stream keeps its floor and goes on', () => {
  const budget = new Budget(2 * floor + 100);
  const first = makeWindow(budget);
  const second = makeWindow(budget);
  assert.equal(budget.take(floor), false, 'no floor for a third');
  for (let i = 1; i < 10; i += 1) {
    const { delivered } = first;
    readOn(first, floor, i, 50);
    assert.ok(first.delivered >= delivered + floor, 'it goes on');
    const left = first.limit - first.delivered;
    assert.ok(left >= floor && left <= floor + 100);
  }
  assert.ok(second.limit >= floor && second.limit <= floor + 100);
});

test('what a stream gets above its floor grows less as the budget does', () => {
  const budget = new Budget(64 * 2 ** 20);
  const given: number[] = [];
  while (budget.free >= floor) given.push(makeWindow(budget).limit);
  assert.ok((given[0] as number) > floor);
  assert.ok(given.length > 1_000, `${given.length} streams`);
  assert.ok((given.at(-1) as number) < (given[0] as number) / 2);
});

test('ten thousand streams that carry a byte now and then leave a floor for the next', () => {
  const budget = new Budget(limits.receiveBytesPerSessionMax);
  const windows = Array.from({ length: 10_000 }, () => makeWindow(budget));
  for (const window of [...windows, ...windows]) {
    window.received = window.delivered += 1;
    window.renew(0, null);
    window.acknowledged = window.delivered;
    assert.ok(window.limit - window.delivered >= floor);
  }
  assert.ok(budget.free >= floor);
  const bulk = makeWindow(budget);
  for (let i = 0; i < 100; i += 1) readOn(bulk, Infinity, i, 1_000);
  assert.ok(bulk.window === limits.windowBytesMax && bulk.limit - bulk.delivered >= 2 ** 20);
});

test('streams that use up what they get leave the floors of ten thousand', () => {
  const budget = new Budget(limits.receiveBytesPerSessionMax);
  const bulk = Array.from({ length: 50 }, () => makeWindow(budget));
  for (let i = 0; i < 2_000; i += 1) readOn(bulk[i % 50] as ReceiveWindow, Infinity, i, 1_000);
  for (let i = 50; i < 10_000; i += 1) assert.ok(budget.take(floor), `no floor for stream ${i}`);
  for (const window of [...bulk, ...bulk]) window.release();
  assert.equal(budget.used, 9_950 * floor);
  assert.equal(
    budget.spare(),
    Math.min(budget.free, (3 * budget.bytesMax) / 8),
    'and nothing is kept above them',
  );
});

test('undelivered bytes count on when a stream moves to another session', () => {
  const process = new Budget(2 ** 30);
  const [first, second] = [new Budget(2 ** 28, process), new Budget(2 ** 28, process)];
  const window = makeWindow(first);
  window.received = 200_000;
  window.restart(second, false);
  assert.equal(first.used, 0);
  assert.ok(second.used >= window.limit - window.delivered && second.used >= 200_000);
});

test('a move that finds no floor changes nothing: what was taken stays taken, and goes back once', () => {
  const first = new Budget(2 ** 28);
  const second = new Budget(floor);
  assert.ok(second.take(floor));
  const window = makeWindow(first);
  const { limit } = window;
  const { used } = first;
  assert.equal(window.restart(second, false), false);
  assert.deepEqual([window.limit, first.used, second.used], [limit, used, floor]);
  window.release();
  assert.deepEqual([first.used, first.spare()], [0, new Budget(2 ** 28).spare()]);
});

test('what a window had while there was plenty goes back as it is used up, where others have taken the rest', () => {
  const budget = new Budget(2 ** 30);
  const window = makeWindow(budget);
  budget.takeUpTo(budget.free);
  window.received = window.delivered = window.limit;
  window.renew(0, null);
  assert.equal(budget.free, limits.windowBytesInitial - floor);
});

test('one renewal takes at most a quarter of what is free', () => {
  const budget = new Budget(2 ** 20);
  const window = makeWindow(budget);
  for (let i = 0; i < 60; i += 1) {
    const { free } = budget;
    const before = budget.used;
    readOn(window, window.window, i, 1_000);
    assert.ok(budget.used - before <= free / 4);
  }
  assert.ok(budget.free > 0, 'something is left for others');
});

test('promises never exceed the budget, the limit never falls, and all of it comes back', () => {
  const step = fc.record({
    window: fc.nat(4),
    read: fc.integer({ min: 1, max: 400_000 }),
    wait: fc.nat(200),
    again: fc.nat(20),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), fc.integer({ min: 8, max: 300 }), (steps, floors) => {
      const process = new Budget(floors * floor);
      const sessions = [new Budget(2 ** 28, process), new Budget(2 ** 28, process)];
      const windows = [0, 1, 2, 3, 4].map((i) => makeWindow(sessions[i % 2] as Budget));
      let now = 0;
      for (const { window: i, read, wait, again } of steps) {
        const window = windows[i] as ReceiveWindow;
        const limit = window.limit;
        now += wait;
        if (again === 0) {
          const session = sessions[(i + 1) % 2] as Budget;
          window.restart(session, false);
        } else {
          readOn(window, read, now, 50);
          assert.ok(window.limit >= limit);
        }
        const promised = windows.reduce((sum, w) => sum + w.limit - w.delivered, 0);
        assert.ok(promised <= process.used, `${promised} promised, ${process.used} taken`);
        assert.ok(process.used <= process.bytesMax);
        assert.ok(window.limit - window.delivered <= limits.windowBytesMax);
      }
      for (const window of windows) window.release();
      assert.equal(process.used, 0);
    }),
  );
});
