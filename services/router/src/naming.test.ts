import assert from 'node:assert/strict';
import { test } from 'node:test';
import { destinationDefaults } from '@postern/contracts';
import * as fc from 'fast-check';
import { defaultHost, dnsLabel, frontUrl, newGatewayId } from './naming.ts';

test('a gateway ID is 11 small letters and digits, so that it is part of a DNS label and has no -', () => {
  for (let count = 0; count < 100; count += 1) assert.match(newGatewayId(), /^[a-z0-9]{11}$/);
  assert.notEqual(newGatewayId(), newGatewayId());
});

test('a name becomes a DNS label', () => {
  assert.equal(dnsLabel('Orders DB (main)'), 'orders-db-main');
  assert.equal(dnsLabel('Zürich'), 'zurich');
  assert.equal(dnsLabel('--x--'), 'x');
  assert.equal(dnsLabel('日本'), '');
});

test('a default host is a host name whatever the name is', () => {
  // Not fast-check's unit `binary`: before its first string it looks at every character there is, for 1.5 s.
  const unit = fc.oneof(fc.nat(0x7f), fc.nat(0x10_ffff)).map((point) => String.fromCodePoint(point));
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 200 }), (name) => {
      fc.pre(dnsLabel(name) !== '');
      const [label = ''] = defaultHost(name, 'abcdefghijk', 'p.example').split('.');
      assert.match(label, /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
      assert.ok(label.endsWith('-abcdefghijk'));
    }),
  );
});

test('the URL of a front has IPv6 in brackets', () => {
  assert.equal(frontUrl({ ...front, host: '::1' }), 'tcp://[::1]:1');
  assert.equal(frontUrl(front), 'tcp://a.b:1');
});

test('the URL of a front says whether there is TLS', () => {
  const tls = { ...front.tls, mode: 'server' as const };
  assert.equal(frontUrl({ ...front, tls }), 'tls://a.b:1');
  assert.equal(frontUrl({ ...front, tls, protocol: 'http' }), 'https://a.b:1');
});

const front = { ...destinationDefaults.front, host: 'a.b', port: 1 };
