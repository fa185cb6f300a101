import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseProxy, proxyChooser, proxyText } from './proxy-choice.ts';

const isDirect = (noProxy: string, host: string, port = 443): boolean =>
  proxyChooser('http://proxy:3128', { NO_PROXY: noProxy })(host, port) === null;

describe('proxy choice', () => {
  it('reads kind, host, port and credentials from a URL', () => {
    assert.deepEqual(parseProxy('http://us%40er:p%3Aw@proxy.corp:3128'), {
      kind: 'http',
      host: 'proxy.corp',
      port: 3128,
      credentials: { user: 'us@er', password: 'p:w' },
    });
    assert.deepEqual(parseProxy('socks5://[fd00::1]'), {
      kind: 'socks5',
      host: 'fd00::1',
      port: 1080,
      credentials: null,
    });
    assert.deepEqual(parseProxy('proxy:8080'), {
      kind: 'http',
      host: 'proxy',
      port: 8080,
      credentials: null,
    });
  });

  it('refuses what is no proxy without repeating its credentials', () => {
    assert.throws(
      () => parseProxy('ftp://user:secret@host'),
      (error: Error) => !error.message.includes('secret'),
    );
  });

  it('refuses credentials for which SOCKS 5 has no room, without repeating them, and only for SOCKS 5', () => {
    const fits = 'é'.repeat(127);
    assert.equal(parseProxy(`socks5://${fits}:${fits}@proxy`).credentials?.password, fits);
    assert.equal(parseProxy(`http://user:${fits}é@proxy`).credentials?.password, `${fits}é`);
    for (const credentials of [`${fits}é:secret`, `user:${fits}é`]) {
      assert.throws(
        () => parseProxy(`socks5://${credentials}@proxy`),
        (error: Error) =>
          error instanceof TypeError && /255 bytes/.test(error.message) && !/é|secret/.test(error.message),
      );
    }
  });

  it('shows a proxy without its credentials', () => {
    assert.equal(proxyText(parseProxy('https://user:secret@proxy:8443')), 'https://proxy:8443');
  });

  it('takes the given proxy before HTTPS_PROXY, and that before ALL_PROXY', () => {
    const environment = { https_proxy: 'http://b', ALL_PROXY: 'socks5://c' };
    assert.equal(proxyChooser('http://a', environment)('host', 443)?.host, 'a');
    assert.equal(proxyChooser(null, environment)('host', 443)?.host, 'b');
    assert.equal(proxyChooser(null, { ALL_PROXY: 'socks5://c' })('host', 443)?.host, 'c');
    assert.equal(proxyChooser(null, {})('host', 443), null);
  });

  it('excepts names and all below them, addresses and blocks, with a port where one is given', () => {
    assert(isDirect('corp.example', 'corp.example'));
    assert(isDirect('corp.example', 'a.corp.example'));
    assert(isDirect('.corp.example', 'a.corp.example'));
    assert(isDirect('*.corp.example', 'A.Corp.Example.'));
    assert(!isDirect('corp.example', 'notcorp.example'));
    assert(isDirect('10.0.0.0/8, other', '10.1.2.3'));
    assert(!isDirect('10.0.0.0/8', '11.1.2.3'));
    assert(isDirect('fd00::/8', 'fd00::1'));
    for (const address of ['2001:db8::1', 'fd12:3456:789a:1::25', 'fe80::1:2', 'fd00::a'])
      assert(isDirect(address, address), address);
    assert(isDirect('[::1]:443', '::1'));
    assert(isDirect('host:9000', 'host', 9000));
    assert(!isDirect('host:9000', 'host', 443));
    assert(isDirect('*', 'anything'));
    assert(!isDirect('', 'anything'));
    assert(!isDirect('10.0.0.0/99', '10.0.0.1'));
  });
});
