import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideSource } from '@postern/access';
import type { AccessRule } from '@postern/contracts';
import { policyOf } from '../fixture/documents.ts';
import { accessListOf, ownListOf, sourceRulesOf } from './rulebook.ts';

test('lists and source rules are read once for each version of a policy, and a client’s own once for all that have it', () => {
  const sourceRules = [{ destinationId: 'd1', restricted: true, rules: [{ source: '192.0.2.7' }] }];
  const policy = policyOf({ sourceRules });
  const own: AccessRule[] = [{ action: 'allow', host: '*', port: '*' }];
  assert.equal(accessListOf(policy), accessListOf(policy));
  assert.equal(sourceRulesOf(policy, 'd1'), sourceRulesOf(policy, 'd1'));
  assert.equal(ownListOf(own), ownListOf(own));
  const later = policyOf({ accessList: [], sourceRules: [] });
  assert.equal(accessListOf(later).wider.length, 0);
  assert.equal(sourceRulesOf(later, 'd1').restricted, false);
});

test('source rules that cannot be read let nobody in', () => {
  const sourceRules = [
    { destinationId: 'd1', restricted: true, rules: [{ source: '192.0.2.7' }, { source: 'app' }] },
  ];
  const { allowed } = decideSource(sourceRulesOf(policyOf({ sourceRules }), 'd1'), {
    address: '192.0.2.7',
    port: 40_000,
  });
  assert.equal(allowed, false);
});
