import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Budget } from './budget.ts';

test('a budget gives all that is asked for, or nothing', () => {
  const budget = new Budget(100);
  assert.equal(budget.take(60), true);
  assert.equal(budget.take(41), false);
  assert.equal(budget.used, 60);
  assert.equal(budget.takeUpTo(100), 40);
  assert.equal(budget.free, 0);
});

test('what is above floors has three eighths, and floors have what is left', () => {
  const parent = new Budget(160);
  const [first, second] = [new Budget(80, parent), new Budget(80, parent)];
  assert.deepEqual([first.spare(), parent.spare()], [30, 60]);
  assert.ok(first.take(50), 'a floor');
  assert.equal(first.spare(), 30, 'and it takes nothing from what is above');
  assert.equal(first.takeUpTo(20), 20);
  assert.deepEqual([first.spare(), second.spare(), parent.spare()], [10, 30, 40]);
  first.give(70, 50);
  assert.deepEqual([first.spare(), parent.spare(), parent.used], [30, 60, 0]);
});

test('a child draws on its parent, and neither ever hands out more than it has', () => {
  const step = fc.record({
    child: fc.nat(1),
    kind: fc.constantFrom('take', 'upTo', 'give'),
    bytes: fc.nat(80),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const parent = new Budget(100);
      const children = [new Budget(70, parent), new Budget(70, parent)];
      const held = [0, 0];
      for (const { child, kind, bytes } of steps) {
        const budget = children[child] as Budget;
        const has = held[child] as number;
        const free = budget.free;
        if (kind === 'take') held[child] = has + (budget.take(bytes) ? bytes : 0);
        else if (kind === 'upTo') held[child] = has + budget.takeUpTo(bytes);
        else {
          budget.give(Math.min(has, bytes));
          held[child] = has - Math.min(has, bytes);
        }
        const now = held[child] ?? 0;
        assert.ok(now - has <= free);
        assert.deepEqual(
          children.map((c) => c.used),
          held,
        );
        assert.equal(parent.used, (held[0] as number) + (held[1] as number));
        assert.ok(parent.used <= 100 && budget.used <= 70);
      }
    }),
  );
});
