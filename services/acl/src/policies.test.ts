import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Bus } from '@postern/bus';
import type { PolicyDocument } from './document.ts';
import type { Journal } from './journal.ts';
import { Policies, restoredPolicy } from './policies.ts';

const record = { id: 'g', name: 'Plant', enabled: true, requireToken: true };
const dated = { revision: 1, createdAt: '', modifiedAt: '' };
const known: PolicyDocument = { ...record, ...dated, gatewayRevision: 3 };

test('a policy is known that the router has confirmed and that says the same, and none from a backup', async () => {
  const knows = async (stored: PolicyDocument | null): Promise<boolean> => {
    const documents = { policies: { get: async () => stored } };
    const parts = { journal: { documents } as unknown as Journal, bus: {} as Bus };
    return new Policies(parts).knows(record);
  };
  assert.equal(await knows(known), true);
  assert.equal(await knows(null), false);
  for (const other of [{ name: 'P' }, { enabled: false }, { requireToken: false }])
    assert.equal(await knows({ ...known, ...other }), false);
  assert.equal(await knows(restoredPolicy(known)), false);
});
