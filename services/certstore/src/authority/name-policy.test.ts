import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { describe, it } from 'node:test';
import { type NamePolicyOptions, namePolicy, platformNames } from './name-policy.ts';

const options: NamePolicyOptions = {
  platformHost: 'GW.Example.com',
  names: ['Alt.example.org', '*.apps.example.org'],
  addresses: ['192.0.2.1', '2001:db8::1'],
};
const byAddress: NamePolicyOptions = { platformHost: '192.0.2.9', names: [], addresses: [] };

type Judge = (names: readonly string[], addresses: readonly string[]) => void;
const demandOf =
  (one: NamePolicyOptions): Judge =>
  (...asked) =>
    namePolicy(one).demand(...asked);
const refuseOwnOf =
  (one: NamePolicyOptions): Judge =>
  (...asked) =>
    platformNames(one).refuseOwn(...asked);

/** Whether one passes, as a name or as the address that it is, and is named where it does not, also behind one that passes. */
function passes(judge: Judge, text: string, good: string): boolean {
  const isAddress = isIP(text) !== 0;
  try {
    judge(isAddress ? [good] : [good, text], isAddress ? [text] : []);
    return true;
  } catch (error) {
    assert.match(String(error), /CERTSTORE_NAME_REFUSED|ServiceError/);
    assert((error as Error).message.startsWith(`${text} is `), String(error));
    return false;
  }
}

describe('the platform’s CA', () => {
  const demand = demandOf(options);

  it('signs the platform’s host and what is below it, loopback, and what the settings list', () => {
    for (const text of [
      'gw.example.com',
      'GW.EXAMPLE.COM',
      'edge-1.tunnel.gw.example.com',
      '*.gw.example.com',
      'localhost',
      'alt.example.org',
      '*.apps.example.org',
      '127.0.0.1',
      '127.8.8.8',
      '::1',
      '192.0.2.1',
      '2001:DB8:0::1',
    ])
      assert(passes(demand, text, 'localhost'), text);
    assert(passes(demandOf(byAddress), '192.0.2.9', 'localhost'));
  });

  it('signs for nobody else’s host', () => {
    for (const text of [
      'example.com',
      '*.example.com',
      'evilgw.example.com',
      'gw.example.com.evil.org',
      'gw.example.co',
      'x.alt.example.org',
      '*.alt.example.org',
      'x.apps.example.org',
      'apps.example.org',
      'x.localhost',
      '*',
      '192.0.2.2',
      '128.0.0.1',
      '::2',
      '2001:db8::2',
    ])
      assert(!passes(demand, text, 'localhost'), text);
    assert(!passes(demandOf(byAddress), '192.0.2.8', 'localhost'));
  });

  it('signs no address in the place of a name', () => {
    for (const address of ['127.0.0.1', '192.0.2.1'])
      assert.throws(() => demand([address], []), { code: 'CERTSTORE_NAME_REFUSED' });
    assert.throws(() => demandOf(byAddress)(['192.0.2.9'], []), { code: 'CERTSTORE_NAME_REFUSED' });
    assert.throws(() => demand([], ['localhost']), { code: 'CERTSTORE_NAME_REFUSED' });
  });
});

describe('a pair that an operator has generated', () => {
  const refuseOwn = refuseOwnOf(options);

  it('is never for a name or address by which clients know the platform, its nodes or its services, be it by a wildcard', () => {
    for (const text of [
      'gw.example.com',
      '*.example.com',
      'alt.example.org',
      '*.example.org',
      '*.apps.example.org',
      'x.apps.example.org',
      'tunnel.gw.example.com',
      '*.tunnel.gw.example.com',
      'edge-1.tunnel.gw.example.com',
      'edge-1.node.postern.internal',
      '*.postern.internal',
      '192.0.2.1',
      '2001:db8:0::1',
      '::ffff:192.0.2.1',
    ])
      assert(!passes(refuseOwn, text, 'shop.example'), text);
    assert(!passes(refuseOwnOf(byAddress), '192.0.2.9', 'shop.example'));
  });

  it('is never for a name that a node or service has a certificate for, but may be for a front below the platform’s host', () => {
    const names = platformNames(options);
    const served = ['gw.example.com', '*.gw.example.com', 'localhost', 'admin.gw.example.com'];
    for (const name of ['admin.gw.example.com', '*.gw.example.com'])
      assert.throws(() => names.refuseOwn([name], [], served), { code: 'CERTSTORE_NAME_REFUSED' }, name);
    for (const name of ['shop.gw.example.com', 'x.admin.gw.example.com', 'localhost'])
      names.refuseOwn([name], [], served);
  });

  it('may be for any other, below the platform’s host and on this machine too', () => {
    for (const text of [
      'shop.example',
      'shop.gw.example.com',
      'example.com',
      'evilgw.example.com',
      'xtunnel.gw.example.com',
      'localhost',
      '127.0.0.1',
      '::1',
      '192.0.2.2',
    ])
      assert(passes(refuseOwn, text, 'shop.example'), text);
    const listed = { ...options, names: ['localhost'], addresses: ['127.0.0.1'] };
    for (const text of ['localhost', '127.0.0.1'])
      assert(passes(refuseOwnOf(listed), text, 'shop.example'), text);
  });
});
