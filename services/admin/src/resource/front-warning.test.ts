import assert from 'node:assert/strict';
import { test } from 'node:test';
import { frontWarnings } from './front-warning.ts';

test('what keeps nodes from serving a front is a warning, one for all nodes that say the same', () => {
  const at = (node: string, error: string | null) => ({ node, listening: error === null, error });
  assert.deepEqual(frontWarnings([at('edge-1', null)]), []);
  const url = 'this node may not fetch http://ca.corp/list';
  assert.deepEqual(
    frontWarnings([at('edge-1', url), at('edge-2', 'EADDRINUSE'), at('edge-3', url), at('edge-4', null)]),
    [
      { path: '/front', code: 'ADMIN_FRONT_NOT_SERVED', message: `not served at edge-1, edge-3: ${url}` },
      { path: '/front', code: 'ADMIN_FRONT_NOT_SERVED', message: 'not served at edge-2: EADDRINUSE' },
    ],
  );
});
