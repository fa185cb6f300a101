import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  addSourceRule,
  compileSourceRules,
  decideSource,
  normalizeSourceRules,
  replaceSourceRules,
  type SourceRule,
} from './source-rule.ts';

const allows = (rules: SourceRule[], address: string, port = 50000) =>
  decideSource(compileSourceRules(true, rules), { address, port }).allowed;

test('source rules: anybody may call a front that is not restricted', () => {
  assert.equal(decideSource(compileSourceRules(false, []), { address: 'x', port: 0 }).allowed, true);
});

test('source rules: restricted without rules means nobody', () => {
  assert.equal(allows([], '127.0.0.1'), false);
});

test('source rules: an address, a block, a range and *', () => {
  assert.equal(allows([{ source: '1.2.3.4' }], '1.2.3.4'), true);
  assert.equal(allows([{ source: '1.2.3.4' }], '1.2.3.5'), false);
  assert.equal(allows([{ source: '1.2.3.0/24' }], '1.2.3.255'), true);
  assert.deepEqual(
    ['1.2.3.3', '1.2.3.4', '1.2.4.1', '1.2.4.2'].map((one) => allows([{ source: '1.2.3.4-1.2.4.1' }], one)),
    [false, true, true, false],
  );
  assert.equal(allows([{ source: 'fd00::1 - fd00::ff' }], 'fd00::10'), true);
  assert.equal(allows([{ source: '*' }], 'fd00::10'), true);
  assert.equal(allows([{ source: '*' }], 'nonsense'), false);
});

test('source rules: IPv4 within IPv6 is that IPv4, at both ends', () => {
  assert.equal(allows([{ source: '1.2.3.4' }], '::ffff:1.2.3.4'), true);
  assert.equal(allows([{ source: '::ffff:1.2.3.4' }], '1.2.3.4'), true);
});

test('source rules: an IPv6 address is no IPv4 one of the same number', () => {
  for (const source of ['1.2.3.4', '1.2.3.0/24', '1.2.3.4-1.2.3.9'])
    assert.equal(allows([{ source }], '::1.2.3.4'), false, source);
});

test('source rules: the source port must be in its range, both ends of it included', () => {
  const rules = [{ source: '*', sourcePort: '5000-10000' }];
  assert.deepEqual(
    [4999, 5000, 10000, 10001].map((port) => allows(rules, '1.1.1.1', port)),
    [false, true, true, false],
  );
});

test('source rules: a new rule of an app replaces its old one only', () => {
  const before = [{ source: '1.1.1.1', app: 'a' }, { source: '2.2.2.2', app: 'b' }, { source: '3.3.3.3' }];
  assert.deepEqual(addSourceRule(before, { source: '4.4.4.4', app: 'a' }), [
    { source: '2.2.2.2', app: 'b' },
    { source: '3.3.3.3' },
    { source: '4.4.4.4', app: 'a' },
  ]);
});

test('source rules: a rule that is there already is not doubled', () => {
  assert.deepEqual(
    addSourceRule([{ source: '1.1.1.1' }, { source: '1.1.1.1', app: 'a' }, { source: '2.2.2.2' }], {
      source: '1.1.1.1',
    }),
    [{ source: '1.1.1.1', app: 'a' }, { source: '2.2.2.2' }, { source: '1.1.1.1' }],
  );
});

test('source rules: of rules that are put an app has one, and none is there twice', () => {
  const twice = [
    { source: '1.1.1.1', app: 'a' },
    { source: '2.2.2.0/24' },
    { source: '3.3.3.3', app: 'a' },
    { source: '::ffff:1.1.1.1' },
    { source: '2.2.2.9/24', sourcePort: '1-65535' },
  ];
  assert.throws(() => replaceSourceRules(twice), {
    faults: [
      { at: '/rules/2/app', message: 'is that of rule 0: an app has one rule' },
      { at: '/rules/4', message: 'says the same as rule 1' },
    ],
  });
  assert.throws(() => replaceSourceRules(twice.slice(0, 3)), { code: 'ACCESS_RULES_INVALID' });
  const fine = [{ source: '1.1.1.1', app: 'a' }, { source: '1.1.1.1', app: 'b' }, { source: '1.1.1.1' }];
  assert.deepEqual(replaceSourceRules(fine), fine);
});

test('source rules: one address with other ports is another rule', () => {
  const rules = ['80', '443'].map((sourcePort) => ({ source: '1.1.1.1', sourcePort }));
  assert.deepEqual(replaceSourceRules(rules), rules);
  assert.deepEqual(addSourceRule(rules.slice(0, 1), { source: '1.1.1.1', sourcePort: '443' }), rules);
  const decided = decideSource(compileSourceRules(true, rules), { address: '::ffff:1.1.1.1', port: 443 });
  assert.equal(decided.reason, 'allowed by the source rule "1.1.1.1 port 443"');
  const refused = decideSource(compileSourceRules(true, rules), { address: '::ffff:1.1.1.1', port: 81 });
  assert.equal(refused.reason, 'no source rule allows 1.1.1.1 port 81');
});

test('source rules: a front has a thousand at most', () => {
  const rules = Array.from({ length: 1000 }, (_, index) => ({ source: `10.0.${index >> 8}.${index & 255}` }));
  assert.equal(normalizeSourceRules(rules).length, 1000);
  assert.throws(() => addSourceRule(rules, { source: '*' }), { code: 'ACCESS_LIST_TOO_LARGE' });
});

test('source rules: refuses what is none and says where', () => {
  const none = 'is no address, CIDR, from-to or *';
  for (const source of [
    '',
    'host.example',
    '1.1.1.1/40',
    '2.2.2.2-1.1.1.1',
    '1.1.1.1-fd00::1',
    '1.1.1.1-2.2.2.2-3.3.3.3',
    '1.1.1.1-x',
    'x-1.1.1.1',
    '1.1.1.1-',
  ]) {
    assert.throws(() => normalizeSourceRules([{ source }]), { code: 'ACCESS_RULES_INVALID' });
  }
  assert.throws(() => normalizeSourceRules([{ source: '*', sourcePort: '0' }]), /rules\/0\/sourcePort/);
  assert.throws(() => addSourceRule([], { source: 'x' }), { faults: [{ at: '/source', message: none }] });
  assert.throws(() => normalizeSourceRules(Array.from({ length: 1001 }, () => ({ source: '*' }))), {
    code: 'ACCESS_LIST_TOO_LARGE',
  });
});

test('source rules: a block allows exactly the addresses that a range from its first to its last does', () => {
  fc.assert(
    fc.property(fc.ipV4(), fc.integer({ min: 0, max: 32 }), fc.ipV4(), (base, prefix, address) => {
      const number = (text: string) => text.split('.').reduce((value, part) => value * 256 + Number(part), 0);
      const size = 2 ** (32 - prefix);
      const first = Math.floor(number(base) / size) * size;
      const inside = number(address) >= first && number(address) < first + size;
      assert.equal(allows([{ source: `${base}/${prefix}` }], address), inside);
    }),
  );
});

test('source rules: of a thousand addresses and blocks only those are looked at that may hold the caller', () => {
  const rules = Array.from({ length: 1_000 }, (_, n) => ({
    source: n % 2 === 0 ? `10.${n >> 8}.${n & 255}.0/24` : `192.168.${n >> 8}.${n & 255}`,
  }));
  const compiled = compileSourceRules(true, rules);
  const inOneLook = compiled.blocks
    .flatMap(({ byPrefix }) => [...byPrefix.values()])
    .filter((one) => one.length > 1);
  assert.deepEqual([compiled.blocks.length, compiled.wider.length, inOneLook.length], [2, 0, 0]);
  assert.equal(decideSource(compiled, { address: '10.3.230.9', port: 1 }).rule?.index, 998);
});

test('source rules: the first rule that allows alone is the one that is named', () => {
  const octet = fc.integer({ min: 0, max: 3 });
  const address = fc.tuple(octet, octet).map(([a, b]) => `10.0.${a}.${b}`);
  const source = fc.oneof(
    address,
    fc.constantFrom('*', '10.0.0.0/8', '::/0', 'fd00::/8', '10.0.0.1-10.0.2.1'),
    fc.tuple(address, fc.integer({ min: 20, max: 32 })).map(([base, prefix]) => `${base}/${prefix}`),
  );
  const rule = fc.record({ source, sourcePort: fc.constantFrom('*', '5000', '1-5000') });
  fc.assert(
    fc.property(
      fc.array(rule, { maxLength: 12 }),
      address,
      fc.constantFrom(1, 5000, 6000),
      (rules, from, port) => {
        const caller = { address: from, port };
        const first = rules.findIndex((one) => decideSource(compileSourceRules(true, [one]), caller).allowed);
        const { rule: named } = decideSource(compileSourceRules(true, rules), caller);
        assert.equal(named?.index ?? -1, first);
      },
    ),
  );
});
