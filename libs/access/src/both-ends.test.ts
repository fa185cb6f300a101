import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileAccessList } from './access-list.ts';
import { decideBoth } from './both-ends.ts';

const allow = compileAccessList([{ action: 'allow', host: 'db', port: '1' }]);
const deny = compileAccessList([{ action: 'deny', host: 'db', port: '*' }]);
const target = { host: 'db', port: 1 };

test('both ends: the gateway alone decides where the client has no list', () => {
  assert.deepEqual(decideBoth(allow, null, target), {
    allowed: true,
    rule: { list: 'gateway', index: 0, text: 'allow db:1' },
    reason: 'the gateway\'s access list: allowed by "allow db:1"',
  });
});

test('both ends: either alone refuses, and is named', () => {
  assert.equal(decideBoth(deny, allow, target).rule?.list, 'gateway');
  assert.deepEqual(decideBoth(allow, deny, target).rule, { list: 'client', index: 0, text: 'deny db:*' });
  assert.equal(decideBoth(allow, deny, target).allowed, false);
});

test("both ends: a client's list without rules refuses everything", () => {
  const decision = decideBoth(allow, compileAccessList([]), target);
  assert.deepEqual([decision.allowed, decision.rule], [false, null]);
  assert.match(decision.reason, /client's own access list: no rule allows db:1/);
});

test('both ends: where both allow, the rule is the gateway’s and the reason names both', () => {
  const own = compileAccessList([{ action: 'allow', host: '*', port: '*' }]);
  assert.deepEqual(decideBoth(allow, own, target), {
    allowed: true,
    rule: { list: 'gateway', index: 0, text: 'allow db:1' },
    reason:
      'the gateway\'s access list: allowed by "allow db:1"; the client\'s own access list: allowed by "allow *:*"',
  });
});
