import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ResetCode } from '@postern/tunnel';
import { connectFault } from './resource-error.ts';

const client = { name: 'the client', nameRemedy: 'mend DNS' };
const place = { host: 'db.corp', port: 5432, connectTimeoutSeconds: 5 };

function faultAt(address: string): { reset: ResetCode; message: string } {
  const error = Object.assign(new Error(`connect EADDRNOTAVAIL ${address}`), { code: 'EADDRNOTAVAIL' });
  return connectFault(client, place, address, error);
}

test('does not lay it to the resource that no port is left to dial it from', () => {
  const { reset, message } = faultAt('10.0.0.5');
  assert.equal(reset, ResetCode.Limit);
  assert.match(
    message,
    /^the client has no port left to dial db.corp:5432 \(10.0.0.5\) from \(EADDRNOTAVAIL\)/,
  );
});

test('a machine without an address of IPv6 has no way to one', () => {
  const { reset, message } = faultAt('::1');
  assert.equal(reset, ResetCode.Unreachable);
  assert.match(message, /^the client has no way to db.corp:5432/);
});
