import assert from 'node:assert/strict';
import { test } from 'node:test';
import { originsAfter, originsOf, type ListWithOrigins } from './origins.ts';

const [ann, bob] = [
  { id: 'a', name: 'Ann' },
  { id: 'b', name: 'Bob' },
];
const [db, erp] = [
  { action: 'allow', host: 'db', port: '5432' },
  { action: 'allow', host: 'erp', port: '443' },
];

const put = (before: ListWithOrigins, rules: object[], at: string, by = ann): ListWithOrigins => ({
  modifiedAt: at,
  rules,
  origins: originsAfter(before, rules, { at, by }),
});
const empty: ListWithOrigins = { modifiedAt: '0', rules: [] };

test('a rule keeps its origin while other rules of the list change, wherever it stands', () => {
  const second = put(put(empty, [db], '1'), [erp, { port: '5432', host: 'db', action: 'allow' }], '2', bob);
  assert.deepEqual(originsOf(second), [
    { createdAt: '2', createdBy: bob },
    { createdAt: '1', createdBy: ann },
  ]);
});

test('a rule that was taken away and comes back has a new origin', () => {
  const third = put(put(put(empty, [db], '1'), [], '2'), [db], '3', bob);
  assert.deepEqual(originsOf(third), [{ createdAt: '3', createdBy: bob }]);
});

test('of rules from before origins were kept nothing is known, also when the list is put again', () => {
  const former = { modifiedAt: '1', rules: [db] };
  const nothing = { createdAt: null, createdBy: null };
  assert.deepEqual(originsOf(former), [nothing]);
  assert.deepEqual(originsOf(put(former, [db, erp], '2')), [nothing, { createdAt: '2', createdBy: ann }]);
});

test('of rules that a program of the version before has put, nothing is known', () => {
  // It writes the rules, and leaves beside them what it does not know.
  const byFormer = { ...put(empty, [db], '1'), rules: [erp], modifiedAt: '2' };
  assert.deepEqual(originsOf(byFormer), [{ createdAt: null, createdBy: null }]);
});

test('where it is not said who asks, only since when is known', () => {
  const origins = originsAfter(empty, [db], { at: '1' });
  assert.deepEqual(origins.rules, [{ createdAt: '1', createdBy: null }]);
});
