import assert from 'node:assert/strict';
import { test } from 'node:test';
import { passOnRules, silenceRules, withoutPassOnRules, withoutSilenceRules } from './handover-rules.ts';
import { plainAddress } from './static-address.ts';

const [leaver, one, other] = ['10.0.0.2', '10.0.0.100/24', '10.0.0.101/24'].map((text) => plainAddress(text));
const [leaver6, static6] = ['fd00::2', 'FD00:0::64/64'].map((text) => plainAddress(text));
assert(leaver && one && other && leaver6 && static6);

test('TCP to any static address is passed on to the leaver, but for new connections and those of this machine', () => {
  const lines = passOnRules('eth0', [one, other], leaver)
    .split('\n')
    .map((line) => line.trim());
  const start = lines.indexOf('chain arriving {');
  assert.equal(
    lines[start + 2],
    'iifname "eth0" ip daddr { 10.0.0.100, 10.0.0.101 } tcp flags & (syn | ack) != syn jump known',
  );
  const known = lines.indexOf('chain known {');
  assert.deepEqual(lines.slice(known + 1, known + 4), [
    'socket wildcard 1 goto others',
    'socket transparent { 0, 1 } accept',
    'goto others',
  ]);
  assert(lines.includes('dup to 10.0.0.2 device "eth0" drop'));
});

test('rules replace those of before in one transaction', () => {
  const text = passOnRules('eth0', [one], leaver);
  assert(text.startsWith(withoutPassOnRules([one])));
  assert.equal(
    withoutPassOnRules([one]),
    'add table ip postern_balancer\ndelete table ip postern_balancer\n',
  );
});

test('the leaver answers no question for a static address, and asks in its own name', () => {
  const text = silenceRules([one, other], leaver);
  assert.match(text, /hook input priority 0\n +arp daddr ip \{ 10\.0\.0\.100, 10\.0\.0\.101 \} drop\n/);
  assert.match(text, /hook output priority 0\n +arp saddr ip \{ [^}]+ \} arp saddr ip set 10\.0\.0\.2\n/);
  assert(text.startsWith(withoutSilenceRules([one])));
});

test('IPv6 is passed on likewise, and needs no silence', () => {
  const text = passOnRules('eth0', [static6], leaver6);
  assert.match(text, /^add table ip6 postern_balancer\n/);
  assert.match(text, / ip6 daddr \{ fd00::64 \} tcp flags/);
  assert.match(text, /dup to fd00::2 device "eth0" drop/);
  assert.equal(silenceRules([static6], leaver6) + withoutSilenceRules([static6]), '');
});

test('what is no address ends the program with 78', () => {
  assert.throws(() => plainAddress('10.0.0.300/24'), {
    exitCode: 78,
    message: 'not an address: 10.0.0.300/24',
  });
});
