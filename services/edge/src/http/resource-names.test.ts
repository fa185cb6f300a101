import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resourceOf, routeOf } from '../fixture/documents.ts';
import { resourceKeyOf } from './resource-names.ts';

test('a resource is another when a certificate or password by which it is reached has other contents', () => {
  const { tls } = resourceOf();
  const route = routeOf({
    resource: resourceOf({
      tls: { ...tls, mode: 'tls', caCertificateIds: ['ca'], clientCertificateId: 'pair' },
      proxy: { type: 'socks5', host: 'proxy', port: 1080, username: 'user', passwordId: 'password' },
    }),
  });
  const contents = new Map<string, number>();
  const revisions = {
    changes: 0,
    asked: 0,
    revision: (id: string) => ((revisions.asked += 1), contents.get(id)),
  };
  const keys = new Set([resourceKeyOf(route, revisions)]);
  for (const id of ['ca', 'pair', 'password', 'ca']) {
    contents.set(id, (contents.get(id) ?? 0) + 1);
    revisions.changes += 1;
    keys.add(resourceKeyOf(route, revisions));
  }
  assert.equal(keys.size, 5);
  contents.set('other', 1);
  revisions.changes += 1;
  assert.ok(keys.has(resourceKeyOf(route, revisions)));
  const { asked } = revisions;
  resourceKeyOf(route, revisions);
  assert.equal(revisions.asked, asked, 'nothing is asked again until something changes');
});
