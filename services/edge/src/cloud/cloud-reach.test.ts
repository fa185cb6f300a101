import assert from 'node:assert/strict';
import { isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import { cloudReach } from './cloud-reach.ts';

const local = [
  '127.0.0.1',
  '127.9.9.9',
  '0.0.0.0',
  '::1',
  '::',
  '::ffff:127.0.0.1',
  '169.254.169.254',
  'fe80::1%eth0',
  '224.0.0.1',
  // The last of each block.
  '0.255.255.255',
  '127.255.255.255',
  '239.255.255.255',
  'febf::1',
  'ffff::1',
];
const others = ['10.0.0.5', '192.0.2.1', '2001:db8::1', '::ffff:10.0.0.5'];

test('cloud resources: this machine and link-local addresses are refused unless the setting allows them', () => {
  const reach = cloudReach({ cloudLocal: false, cloudDenied: [] });
  for (const address of local) assert.match(reach(address)?.reason ?? '', /cloudLocal/, address);
  for (const address of others) assert.equal(reach(address), null, address);
  const open = cloudReach({ cloudLocal: true, cloudDenied: [] });
  for (const address of [...local, ...others]) assert.equal(open(address), null, address);
});

test('cloud resources: the node’s other addresses are this machine too, and metadata servers are refused', () => {
  const own = Object.values(networkInterfaces())
    .flat()
    .flatMap((one) => (one === undefined ? [] : [one.address]));
  assert.ok(own.length > 0);
  const reach = cloudReach({ cloudLocal: false, cloudDenied: [] });
  for (const address of [
    ...own,
    'fd00:ec2::254',
    'fd00:c1::a9fe:a9fe',
    'fd00:42::42',
    '192.0.0.192',
    '100.100.100.200',
    '168.63.129.16',
    '64:ff9b::a9fe:a9fe',
    '64:ff9b::7f00:1',
    '64:ff9b::1',
    '64:ff9b:0:0::100.100.100.200',
    ...own.filter((address) => isIPv4(address)).map((address) => `64:ff9b::${address}`),
  ])
    assert.match(reach(address)?.reason ?? '', /cloudLocal/, address);
  assert.equal(reach('64:ff9b::a00:5'), null);
});

test('cloud resources: addresses and blocks that the operator lists are refused, however they are written', () => {
  const reach = cloudReach({ cloudLocal: true, cloudDenied: ['10.1.0.0/16', '192.0.2.7', 'fd00::/8'] });
  for (const address of ['10.1.2.3', '::ffff:10.1.2.3', '64:ff9b::10.1.2.3', '192.0.2.7', 'fd12::1']) {
    assert.match(reach(address)?.reason ?? '', /cloudDenied/, address);
  }
  for (const address of ['10.2.0.1', '192.0.2.8', 'fe00::1']) assert.equal(reach(address), null, address);
  const withoutNat64 = cloudReach({ cloudLocal: true, cloudDenied: ['64:ff9b::/96'] });
  assert.match(withoutNat64('64:ff9b::192.0.2.8')?.reason ?? '', /cloudDenied/);
});

test('cloud resources: what is no address and no block is refused by name', () => {
  for (const text of ['nats', '10.0.0.0/33', '10.0.0.0/x', '::/129', '']) {
    assert.throws(() => cloudReach({ cloudLocal: true, cloudDenied: [text] }), /cloudDenied: an address/);
  }
});
