import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SlotMap } from './slot-map.ts';
import { SlotMultimap } from './slot-multimap.ts';

const key = fc.constantFrom('a', 'b', 'c', 'd');
const step = fc.oneof(
  fc.record({ do: fc.constant('set' as const), key, value: fc.nat() }),
  fc.record({ do: fc.constant('delete' as const), key }),
  fc.record({ do: fc.constant('clear' as const) }),
);

test('a slot map answers as a Map does, whatever comes and goes', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const map = new SlotMap<string, { value: number }>();
      const model = new Map<string, { value: number }>();
      for (const one of steps) {
        if (one.do === 'set') {
          const value = { value: one.value };
          map.set(one.key, value);
          model.set(one.key, value);
        } else if (one.do === 'delete') assert.equal(map.delete(one.key), model.delete(one.key));
        else {
          map.clear();
          model.clear();
        }
        assert.equal(map.size, model.size);
        assert.deepEqual([...map], [...model]);
        assert.deepEqual([...map.values()], [...model.values()]);
        for (const name of ['a', 'b', 'c', 'd']) assert.equal(map.get(name), model.get(name));
      }
    }),
  );
});

test('a slot map may change while it is read: who leaves is not met, who comes is', () => {
  const map = new SlotMap<string, { name: string }>();
  for (const name of ['a', 'b', 'c']) map.set(name, { name });
  const met: string[] = [];
  for (const { name } of map.values()) {
    met.push(name);
    if (name === 'a') {
      map.delete('a');
      map.delete('b');
      map.set('d', { name: 'd' });
    }
  }
  assert.deepEqual(met, ['a', 'c', 'd']);
});

test('a slot map takes the places of those who left', () => {
  const map = new SlotMap<number, { number: number }>();
  map.set(-1, { number: -1 });
  for (let number = 0; number < 1000; number += 1) {
    map.set(number, { number });
    assert.deepEqual(map.get(number), { number });
    map.delete(number);
    assert.equal(map.get(number), undefined);
  }
  assert.deepEqual([...map], [[-1, { number: -1 }]]);
});

test('a slot multimap has several values under a key, and none of a key whose values have left', () => {
  const map = new SlotMultimap<string, { id: string }>();
  const [one, two, three] = [{ id: '1' }, { id: '2' }, { id: '3' }];
  map.add('a', '1', one);
  map.add('a', '2', two);
  map.add('b', '3', three);
  assert.deepEqual([...map.get('a')], [one, two]);
  assert.deepEqual([...map.values()], [one, two, three]);
  assert.deepEqual([map.count('a'), map.count('b'), map.count('c'), map.countAll()], [2, 1, 0, 3]);
  assert.equal(map.delete('a', '3'), false);
  assert.equal(map.delete('c', '3'), false);
  assert.equal(map.delete('a', '1'), true);
  assert.equal(map.delete('a', '1'), false);
  assert.equal(map.delete('b', '3'), true);
  assert.deepEqual([...map.get('b')], []);
  assert.deepEqual([...map.values()], [two]);
  assert.equal(map.countAll(), 1);
});
