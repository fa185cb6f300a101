import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Fifo } from './fifo.ts';

test('a fifo gives back in order what was put in', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.nat(), fc.constantFrom('take', 'try')), { maxLength: 300 }), (steps) => {
      const fifo = new Fifo<number>();
      const model: number[] = [];
      for (const step of steps) {
        if (step === 'take') assert.equal(fifo.shift(), model.shift());
        else if (step === 'try') {
          const item = fifo.shift();
          if (item !== undefined) fifo.putBack(item);
        } else if (typeof step === 'number') {
          fifo.push(step);
          model.push(step);
        }
        assert.equal(fifo.length, model.length);
        assert.equal(fifo.first, model[0]);
      }
    }),
  );
});

test('a fifo that is long for a long time stays in order', () => {
  const fifo = new Fifo<number>();
  let pushed = 0;
  let taken = 0;
  for (; pushed < 5_000; pushed += 1) fifo.push(pushed);
  for (let i = 0; i < 20_000; i += 1) {
    fifo.push(pushed++);
    assert.equal(fifo.shift(), taken++);
  }
  assert.equal(fifo.length, 5_000);
  fifo.clear();
  assert.equal(fifo.shift(), undefined);
});
