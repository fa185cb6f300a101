import assert from 'node:assert/strict';
import { test } from 'node:test';
import { destinationDefaults } from '@postern/contracts';
import { readRevocationLists } from '@postern/tls/accept';
import { emptyList } from './fixture/revocation-list.ts';
import { warningsOf } from './warnings.ts';

test('a revocation list past its next update is a warning, since nobody of its CA is let in', () => {
  const read = readRevocationLists(Buffer.from(emptyList));
  assert(read.kind === 'lists' && read.nextUpdate !== null);
  const ends = read.nextUpdate.getTime();
  const tls = { mode: 'mutual' as const, clientCaIds: ['c'], revocationLists: [emptyList] };
  const { resource, front: defaults } = destinationDefaults;
  const front = { ...defaults, host: 'h', port: 1, tls: { ...defaults.tls, ...tls } };
  const at = (now: number) =>
    warningsOf({ resource: { ...resource, host: 'db', port: 1 }, front }, { enabled: true }, new Date(now));
  assert.deepEqual(at(ends - 1), []);
  const [warning] = at(ends);
  assert.equal(warning?.path, '/front/tls/revocationLists/0');
  assert.equal(warning.code, 'ROUTER_REVOCATION_LIST_ENDED');
  assert.match(warning.message, /nobody with a certificate of its CA is let in$/);
});
