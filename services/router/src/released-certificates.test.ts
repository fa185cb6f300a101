import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openSqlite } from '@postern/store';
import { openDocuments } from './document.ts';
import { sweepReleased } from './released-certificates.ts';

test('a certificate that is released again while what is over is forgotten stays released', async () => {
  const { released } = await openDocuments(openSqlite(':memory:'));
  const now = Date.parse('2026-01-01T01:00:00Z');
  for (const id of ['again', 'over']) await released.insert({ id, revision: 1, at: '2026-01-01T00:00:00Z' });
  await sweepReleased(
    {
      ...released,
      list: async (options) => {
        const page = await released.list(options);
        const again = await released.get('again');
        assert(again !== null);
        await released.replace({ ...again, at: new Date(now).toISOString() });
        return page;
      },
    },
    now,
  );
  assert.deepEqual(
    (await released.list()).items.map(({ id }) => id),
    ['again'],
  );
});
