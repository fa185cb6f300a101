import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Balancers } from './balancers.ts';

test('a PROXY header is expected from trusted addresses on the ports that are set, and nowhere else', () => {
  const balancers = new Balancers({
    trustedBalancers: ['10.0.0.0/30', '192.0.2.7', 'fd00::/64'],
    proxyProtocolPorts: ['443', '15000-15099'],
  });
  const expected: [address: string, port: number, introduces: boolean][] = [
    ['10.0.0.3', 443, true],
    ['::ffff:10.0.0.3', 15_099, true],
    ['fd00::1', 15_000, true],
    ['10.0.0.4', 443, false],
    ['192.0.2.7', 444, false],
    ['192.0.2.7', 15_100, false],
    ['fd01::1', 443, false],
  ];
  for (const [address, port, introduces] of expected) {
    assert.equal(balancers.introduce(address, port), introduces, `${address} ${port}`);
  }
});

test('without settings nobody is believed', () => {
  const none = new Balancers({ trustedBalancers: [], proxyProtocolPorts: [] });
  const noPorts = new Balancers({ trustedBalancers: ['0.0.0.0/0'], proxyProtocolPorts: [] });
  const nobody = new Balancers({ trustedBalancers: [], proxyProtocolPorts: ['1-65535'] });
  for (const balancers of [none, noPorts, nobody]) assert.equal(balancers.introduce('127.0.0.1', 443), false);
});

test('settings that are no address and no port are refused', () => {
  const make = (trustedBalancers: string[], proxyProtocolPorts: string[]) => () =>
    new Balancers({ trustedBalancers, proxyProtocolPorts });
  assert.throws(make(['10.0.0.1', 'balancer.example'], []), {
    exitCode: 78,
    message: /trustedBalancers has balancer\.example/,
  });
  assert.throws(make([], ['0']), /proxyProtocolPorts has 0/);
  assert.throws(make([], ['70000']), /70000/);
});
