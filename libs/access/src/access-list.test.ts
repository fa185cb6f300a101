import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { compileAccessList, decide, decideResolved, type AccessTarget } from './access-list.ts';
import { normalizePath } from './path.ts';
import type { AccessRule } from './rule.ts';

/** `allow 10.0.0.5:5432/path` as a rule; only for hosts without a colon or a slash that is no prefix length. */
function rule(text: string): AccessRule {
  const match = /^(allow|deny) (?:\[(.*?)\]|([^[:]*)):([^:/]+)(\/.*)?$/.exec(text);
  assert.ok(match, text);
  const [, action, bracketed, plain = '', port = '', path] = match;
  const host = bracketed ?? plain;
  return { action: action === 'allow' ? 'allow' : 'deny', host, port, ...(path ? { path } : {}) };
}

function decideText(rules: string[], host: string, port: number, path?: string) {
  const target: AccessTarget = path === undefined ? { host, port } : { host, port, path };
  return decide(compileAccessList(rules.map(rule)), target);
}

const cases: [rule: string, rules: string[], target: [string, number, string?], by: string | null][] = [
  ['everything that no rule allows is denied', [], ['10.0.0.5', 5432], null],
  ['a rule for another port does not allow', ['allow 10.0.0.5:5433'], ['10.0.0.5', 5432], null],
  [
    'an exact host is before a block',
    ['deny 10.0.0.0/8:*', 'allow 10.0.0.5:*'],
    ['10.0.0.5', 1],
    'allow 10.0.0.5:*',
  ],
  ['host is before port', ['allow 10.0.0.0/8:22', 'deny 10.0.0.5:*'], ['10.0.0.5', 22], 'deny 10.0.0.5:*'],
  [
    'a longer block is before a shorter',
    ['deny 10.0.0.0/8:1', 'allow 10.1.0.0/16:*'],
    ['10.1.0.5', 1],
    'allow 10.1.0.0/16:*',
  ],
  [
    'a block of length 0 is before *',
    ['deny *:1', 'allow 0.0.0.0/0:*'],
    ['10.1.0.5', 1],
    'allow 0.0.0.0/0:*',
  ],
  [
    'a longer *. name is before a shorter',
    ['deny *.corp:1', 'allow *.db.corp:*'],
    ['a.db.corp', 1],
    'allow *.db.corp:*',
  ],
  ['a *. name is before *', ['deny *:1', 'allow *.corp:*'], ['a.corp', 1], 'allow *.corp:*'],
  ['a *. name holds deeper names', ['allow *.corp:1'], ['a.b.corp', 1], 'allow *.corp:1'],
  ['a *. name does not hold the name itself', ['allow *.corp:1'], ['corp', 1], null],
  ['a *. name does not hold what only ends alike', ['allow *.corp:1'], ['evilcorp', 1], null],
  ['a port is before a range', ['deny h:8000-8100', 'allow h:8080'], ['h', 8080], 'allow h:8080'],
  [
    'a narrower range is before a wider',
    ['deny h:8000-9000', 'allow h:8000-8100'],
    ['h', 8080],
    'allow h:8000-8100',
  ],
  [
    'a narrower range of high ports is before a wider of low ones',
    ['allow h:1-61000', 'deny h:60000-60100'],
    ['h', 60_050],
    'deny h:60000-60100',
  ],
  ['a range is before *', ['deny h:*', 'allow h:8000-8100'], ['h', 8080], 'allow h:8000-8100'],
  ['the ends of a range belong to it', ['allow h:8000-8100'], ['h', 8100], 'allow h:8000-8100'],
  ['port is before path', ['allow h:*/orders', 'deny h:80'], ['h', 80, '/orders'], 'deny h:80'],
  [
    'a longer path is before a shorter',
    ['allow h:80/a', 'deny h:80/a/b'],
    ['h', 80, '/a/b/c'],
    'deny h:80/a/b',
  ],
  ['a path is before none', ['deny h:80', 'allow h:80/a'], ['h', 80, '/a'], 'allow h:80/a'],
  ['a path is a prefix', ['allow h:80/orders'], ['h', 80, '/orders/7?x=1'], 'allow h:80/orders'],
  ['... also with a *', ['allow h:80', 'deny h:80/admin/*'], ['h', 80, '/admin/x'], 'deny h:80/admin/'],
  ['a * that was stored in a path is itself', ['allow h:80/*/x'], ['h', 80, '/a/x'], null],
  ['another path is not allowed', ['allow h:80/orders'], ['h', 80, '/'], null],
  ['deny is before allow at a tie', ['allow h:80', 'deny h:80'], ['h', 80], 'deny h:80'],
  [
    'deny is before allow where two equal ranges overlap',
    ['allow h:1-10', 'deny h:5-14'],
    ['h', 7],
    'deny h:5-14',
  ],
  ['names are compared without case', ['allow DB.Corp:1'], ['db.cORP', 1], 'allow db.corp:1'],
  ['a trailing dot means nothing', ['allow db.corp.:1'], ['db.corp.', 1], 'allow db.corp:1'],
  ['IPv6 is compared in one form', ['allow [FD00:0::5]:1'], ['fd00::5', 1], 'allow [fd00::5]:1'],
  ['IPv6 in brackets is the same', ['allow [fd00::5]:1'], ['[fd00::5]', 1], 'allow [fd00::5]:1'],
  [
    'IPv6 that ends in four parts is the IPv6 address that the system dials',
    ['allow *:*', 'deny [::1]:*'],
    ['::0.0.0.1', 22],
    'deny [::1]:*',
  ],
  [
    'IPv4 within IPv6 is that IPv4',
    ['deny 10.0.0.0/8:*', 'allow *:*'],
    ['::ffff:10.0.0.5', 1],
    'deny 10.0.0.0/8:*',
  ],
  [
    'a block of IPv4 within IPv6 is that block',
    ['allow [::ffff:10.0.0.0/104]:1'],
    ['10.9.9.9', 1],
    'allow 10.0.0.0/8:1',
  ],
  [
    'a block of one address is exact',
    ['allow 10.0.0.5:*', 'deny 10.0.0.5/32:1'],
    ['10.0.0.5', 1],
    'deny 10.0.0.5:1',
  ],
  ['... of IPv6 too', ['allow [fd00::5]:*', 'deny [fd00::5/128]:1'], ['fd00::5', 1], 'deny [fd00::5]:1'],
  ['a block does not hold a name', ['allow 0.0.0.0/0:*'], ['db.corp', 1], null],
  ['an IPv4 block does not hold IPv6', ['allow 10.0.0.0/8:*'], ['::10.0.0.5', 1], null],
  ['* holds every host', ['allow *:1'], ['db.corp', 1], 'allow *:1'],
  ['an odd form of an address is a name, which no block holds', ['allow 127.0.0.0/8:1'], ['127.1', 1], null],
  ['a rule with a path does not allow where the path is not known', ['allow h:80/a'], ['h', 80], null],
  [
    'a rule with a path denies where the path is not known',
    ['allow h:80', 'deny h:80/a'],
    ['h', 80],
    'deny h:80/a',
  ],
  [
    'a coded path does not slip past a deny',
    ['allow h:80', 'deny h:80/admin'],
    ['h', 80, '/%61dmin'],
    'deny h:80/admin',
  ],
  [
    'dots do not slip past a deny',
    ['allow h:80', 'deny h:80/admin'],
    ['h', 80, '/x/..//admin'],
    'deny h:80/admin',
  ],
  ['coded dots do not widen an allow', ['allow h:80/orders'], ['h', 80, '/orders/%2e%2e/admin'], null],
  ['path parameters do not widen an allow', ['allow h:80/orders'], ['h', 80, '/orders/..;/admin'], null],
  ['a coded slash does not widen an allow', ['allow h:80/orders'], ['h', 80, '/orders/..%2fadmin'], null],
  [
    'a coded slash beside what is no UTF-8 does not widen an allow',
    ['allow h:80/orders'],
    ['h', 80, '/orders/%ff/..%2f..%2fadmin'],
    null,
  ],
  [
    'a path that is coded in the rule matches itself',
    ['allow h:80/%C3%A9'],
    ['h', 80, '/%C3%A9/1'],
    'allow h:80/%C3%A9',
  ],
  [
    '... also in small letters, as requests have large ones',
    ['allow h:80/%c3%a9'],
    ['h', 80, '/%C3%A9/1'],
    'allow h:80/%c3%a9',
  ],
  ['... also where it need not be coded', ['allow h:80/%61pp'], ['h', 80, '/app'], 'allow h:80/%61pp'],
  ['... also where it is not coded', ['allow h:80/é'], ['h', 80, '/%C3%A9/1'], 'allow h:80/é'],
  [
    'a byte that is no UTF-8 does not lead what is past a deny',
    ['allow h:80', 'deny h:80/%c3%a9/x'],
    ['h', 80, '/%C3%A9/%78/%FF'],
    'deny h:80/%c3%a9/x',
  ],
  [
    '... nor a lone %, nor a byte right behind',
    ['allow h:80', 'deny h:80/é'],
    ['h', 80, '/x/..%2F%C3%A9%A9%'],
    'deny h:80/é',
  ],
  ['a letter of Latin-1 is that letter', ['allow h:80', 'deny h:80/é'], ['h', 80, '/%E9'], 'deny h:80/é'],
  [
    'path parameters make no allow more specific than a deny of what is served',
    ['allow h:80/orders;aaaaaaaaaa', 'deny h:80/orders/secret'],
    ['h', 80, '/orders;aaaaaaaaaa/secret'],
    'deny h:80/orders/secret',
  ],
  [
    'codes make no path longer',
    ['allow h:80/a%2Fb%2F', 'deny h:80/a/b/x'],
    ['h', 80, '/a%2Fb%2Fx'],
    'deny h:80/a/b/x',
  ],
  [
    'a deny is as long as its longest reading',
    ['allow h:80/pub/', 'deny h:80/pub/..%2F'],
    ['h', 80, '/pub/..%2Fpub/x'],
    'deny h:80/pub/..%2F',
  ],
  [
    'a coded deny denies what it is decoded',
    ['allow h:80', 'deny h:80/x%2Fadmin'],
    ['h', 80, '/x/admin'],
    'deny h:80/x%2Fadmin',
  ],
  ['the path / holds for all paths', ['allow h:80/'], ['h', 80, '/x'], 'allow h:80/'],
  [
    'a longer path is before a shorter that is coded',
    ['deny h:80/%C3%A9', 'allow h:80/%C3%A9/a'],
    ['h', 80, '/%C3%A9/a'],
    'allow h:80/%C3%A9/a',
  ],
];

for (const [name, rules, [host, port, path], by] of cases) {
  test(`access list: ${name}`, () => {
    const decision = decideText(rules, host, port, path);
    assert.equal(decision.rule?.text ?? null, by);
    assert.equal(decideText(rules.toReversed(), host, port, path).rule?.text ?? null, by);
    assert.equal(decision.allowed, by?.startsWith('allow') ?? false);
    const reason = /^(deny|allow)/.exec(by ?? '')?.[0] ?? 'none';
    const said = { deny: 'denied by "', allow: 'allowed by "', none: 'no rule allows ' }[reason] ?? '?';
    assert.ok(decision.reason.startsWith(said), decision.reason);
  });
}

test('the index is the place of the rule in the list as it was given', () => {
  assert.equal(decideText(['deny *:*', 'allow a:1', 'allow b:1'], 'b', 1).rule?.index, 2);
});

test('a resolved address that a rule denies is refused although the name is allowed', () => {
  const list = compileAccessList(['allow db.corp:*', 'deny 10.0.0.0/8:*'].map(rule));
  const target = { host: 'db.corp', port: 5432 };
  assert.equal(decide(list, target).allowed, true);
  assert.match(
    decideResolved(list, target, '10.0.0.5')?.reason ?? '',
    /on its address 10\.0\.0\.5 by "deny 10/,
  );
  assert.equal(decideResolved(list, target, '11.0.0.5'), null);
});

test('a resolved address is not refused by rules that its name has been asked by', () => {
  const list = compileAccessList(['allow db.corp:*', 'deny *:*'].map(rule));
  assert.equal(decideResolved(list, { host: 'db.corp', port: 1 }, '10.0.0.5'), null);
});

test('an address that no rule can name is denied, since the system would dial it', () => {
  const list = compileAccessList(['allow *:*', 'deny 10.0.0.9:*'].map(rule));
  const host = '::ffff:10.0.0.9%lo';
  const decision = decideResolved(list, { host, port: 1 }, host);
  assert.match(decision?.reason ?? '', /no rule can name the address/);
  assert.equal(decision?.allowed, false);
});

test('nobody’s address is denied where the loopback is, to which the system leads', () => {
  const list = compileAccessList(['allow *:*', 'deny 127.0.0.0/8:22', 'deny [::1]:22'].map(rule));
  for (const address of ['0.0.0.0', '::', '::ffff:0.0.0.0']) {
    assert.match(decideResolved(list, { host: 'a.b', port: 22 }, address)?.reason ?? '', /deny /, address);
    assert.equal(decideResolved(list, { host: 'a.b', port: 23 }, address), null);
  }
});

test('an address by which NAT64 leads to one that is denied is denied too', () => {
  const list = compileAccessList(['allow *:*', 'deny 10.0.0.0/8:*', 'deny 192.0.2.1:22'].map(rule));
  const denial = (address: string) =>
    decideResolved(list, { host: 'a.b', port: 22 }, address)?.reason ?? null;
  assert.match(denial('64:ff9b::10.0.0.9') ?? '', /on its address 10\.0\.0\.9 by "deny 10/);
  assert.match(denial('64:ff9b::c000:201') ?? '', /deny 192/);
  assert.equal(denial('64:ff9b::b00:9'), null);
  assert.equal(denial('65:ff9b::a00:9'), null);
});

test('where a name was asked about without its path, a rule of the address that denies any path denies all', () => {
  const denied = compileAccessList([rule('allow *:*'), { ...rule('deny 10.0.0.0/8:*'), path: '/admin' }]);
  const target = { host: 'erp.corp', port: 80, somePath: true };
  assert.match(decideResolved(denied, target, '10.0.0.5')?.reason ?? '', /deny 10\.0\.0\.0\/8/);
  assert.equal(decideResolved(denied, target, '11.0.0.5'), null);
  // The path of a resource that is named by its address was asked about by these very rules.
  assert.equal(decideResolved(denied, { ...target, host: '10.0.0.5' }, '10.0.0.5'), null);
  const opened = compileAccessList([
    rule('allow *:*'),
    rule('deny 10.0.0.0/8:*'),
    { ...rule('allow 10.0.0.0/8:*'), path: '/public' },
  ]);
  assert.notEqual(decideResolved(opened, target, '10.0.0.5'), null);
});

test('a resolved address that a more specific rule allows is not refused', () => {
  const list = compileAccessList(['allow db.corp:*', 'deny 10.0.0.0/8:*', 'allow 10.0.0.5:1'].map(rule));
  assert.equal(decideResolved(list, { host: 'db.corp', port: 1 }, '::ffff:10.0.0.5'), null);
  assert.notEqual(decideResolved(list, { host: 'db.corp', port: 2 }, '10.0.0.5'), null);
});

const anyHost = fc.constantFrom(
  '10.0.0.5',
  '10.0.0.9',
  '10.1.0.1',
  'fd00::1',
  'db.corp',
  'a.db.corp',
  'corp',
);
const anyPattern = fc.oneof(
  anyHost,
  fc.constantFrom('10.0.0.0/8', '10.0.0.0/24', 'fd00::/8', '*.corp', '*.db.corp', '*'),
);
const anyRule: fc.Arbitrary<AccessRule> = fc.record(
  {
    action: fc.constantFrom('allow', 'deny'),
    host: anyPattern,
    port: fc.constantFrom('80', '443', '80-90', '1-500', '*'),
    path: fc.constantFrom('/a', '/a/b', '/c'),
  },
  { requiredKeys: ['action', 'host', 'port'] },
);
const anyTarget: fc.Arbitrary<AccessTarget> = fc.record(
  {
    host: anyHost,
    port: fc.constantFrom(80, 85, 443, 9999),
    path: fc.constantFrom('/a', '/a/b/c', '/c', '/'),
  },
  { requiredKeys: ['host', 'port'] },
);

test('of two rules that decide alike the same is named in any order', () => {
  const rules = ['allow h:1-10', 'allow h:5-14'];
  const named = [rules, rules.toReversed()].map((all) => decideText(all, 'h', 7).rule?.text);
  assert.deepEqual(named, ['allow h:1-10', 'allow h:1-10']);
});

test('a list has paths where any of its rules has one, whatever the others have', () => {
  const hasPaths = (rules: string[]): boolean => compileAccessList(rules.map(rule)).hasPaths;
  assert.deepEqual([['allow h:80'], ['allow h:80', 'deny h:80/x'], ['deny h:80/x'], []].map(hasPaths), [
    false,
    true,
    true,
    false,
  ]);
});

test('some path may be reached where a rule allows one, and none where no rule does', () => {
  const some = (rules: string[]) =>
    decide(compileAccessList(rules.map(rule)), { host: 'h', port: 80, somePath: true }).allowed;
  assert.deepEqual(
    [['allow h:80/x'], ['deny h:80/x'], ['deny h:80', 'allow h:80/x'], ['allow h:81/x']].map(some),
    [true, false, true, false],
  );
});

test('the order of the rules means nothing', () => {
  fc.assert(
    fc.property(
      fc.array(anyRule, { maxLength: 12 }),
      anyTarget,
      fc.infiniteStream(fc.nat()),
      (rules, target, keys) => {
        const shuffled = rules
          .map((item) => ({ item, key: keys.next().value }))
          .sort((a, b) => a.key - b.key);
        const one = decide(compileAccessList(rules), target);
        const other = decide(compileAccessList(shuffled.map(({ item }) => item)), target);
        assert.equal(one.allowed, other.allowed);
        assert.equal(one.rule?.text, other.rule?.text);
      },
    ),
  );
});

test('a rule for another host changes nothing', () => {
  fc.assert(
    fc.property(
      fc.array(anyRule, { maxLength: 12 }),
      anyTarget,
      fc.constantFrom('allow', 'deny'),
      (rules, target, action) => {
        const more: AccessRule[] = [...rules, { action, host: 'elsewhere.example', port: '*' }];
        assert.deepEqual(decide(compileAccessList(more), target), decide(compileAccessList(rules), target));
      },
    ),
  );
});

test('a deny that says the same as an allow wins over it', () => {
  fc.assert(
    fc.property(fc.array(anyRule, { minLength: 1, maxLength: 12 }), anyTarget, (rules, target) => {
      const list = compileAccessList([
        ...rules,
        ...rules.map((item): AccessRule => ({ ...item, action: 'deny' })),
      ]);
      assert.equal(decide(list, target).allowed, false);
    }),
  );
});

test('no host, port or path makes a decision fail', () => {
  // Not fast-check's unit `binary`: before its first string it looks at every character there is, for 1.5 s.
  const unit = fc.oneof(fc.nat(0x7f), fc.nat(0x10_ffff)).map((point) => String.fromCodePoint(point));
  const list = compileAccessList(['allow *.corp:*/a', 'deny 10.0.0.0/8:*', 'allow [::]:1'].map(rule));
  fc.assert(
    fc.property(fc.string({ unit }), fc.integer(), fc.string({ unit }), (host, port, path) => {
      decide(list, { host, port, path });
      decideResolved(list, { host, port, path }, host);
    }),
  );
});

const paths: [path: string, normal: string][] = [
  ['/a/b', '/a/b'],
  ['/a/./b/../c', '/a/c'],
  ['/../../a', '/a'],
  ['/a/..', '/'],
  ['/a/.', '/a/'],
  ['/%61%2e%2E/b', '/a../b'],
  ['/a/%2e%2e/b', '/b'],
  ['/a/%2e./b', '/b'],
  ['/a%2fb%5c', '/a%2Fb%5C'],
  ['/a//b', '/a//b'],
  ['/a/%252e%252e/b', '/a/%252e%252e/b'],
  ['/...', '/...'],
  ['/%41%5a%61%7a%30%39%2d%2e%5f%7e', '/AZaz09-._~'],
  ['/%40%5b%60%7b%2f%3a%00%ff', '/%40%5B%60%7B%2F%3A%00%FF'],
];
for (const [path, normal] of paths) {
  test(`the one form of the path ${path} is ${normal}`, () => assert.equal(normalizePath(path), normal));
}

test('a path is allowed only if every reading of it is, and denied if any is', () => {
  const list = compileAccessList([
    { action: 'allow', host: 'a', port: '80', path: '/pub/' },
    { action: 'deny', host: 'a', port: '80', path: '/pub/secret' },
  ]);
  const allowed = (path: string) => decide(list, { host: 'a', port: 80, path: normalizePath(path) }).allowed;
  for (const path of ['/pub/', '/pub/x', '/pub/a//b', '/pub/./x']) assert.ok(allowed(path), path);
  for (const path of [
    '/',
    '/pub',
    '/pub/../x',
    '/pub/%2e%2e/x',
    '/pub/..%2fx',
    '/pub/..\\x',
    '/pub/..;/x',
    '//pub/x',
    '/pub/secret/1',
    '/pub//secret',
    '/pub/%73ecret',
    '/pub/x/..%2fsecret',
  ]) {
    assert.ok(!allowed(path), path);
  }
});

test('no character beside a byte that is no UTF-8 leads past a deny, however many bytes it has', () => {
  const check = (code: number): void => {
    const character = encodeURIComponent(String.fromCodePoint(code));
    const list = compileAccessList([
      { action: 'allow', host: 'a', port: '80' },
      { action: 'deny', host: 'a', port: '80', path: `/x/${character}` },
    ]);
    const path = `/x%2F${character}%FF`;
    assert.ok(!decide(list, { host: 'a', port: 80, path: normalizePath(path) }).allowed, path);
  };
  const ranges = [
    { min: 0x80, max: 0x7ff },
    { min: 0x800, max: 0xd7ff },
    { min: 0xe000, max: 0xffff },
    { min: 0x10000, max: 0x10ffff },
  ];
  for (const { min, max } of ranges) {
    for (const code of [min, max]) check(code);
    fc.assert(fc.property(fc.integer({ min, max }), check));
  }
});

/** What servers make of a path before they resolve its dots, in the order in which they do it. */
const servers: Record<string, (path: string) => string> = {
  decodes: decodeURIComponent,
  'drops parameters': dropParameters,
  'decodes, then drops parameters': (path) => dropParameters(decodeURIComponent(path)),
  'drops parameters, then decodes (Tomcat)': (path) => decodeURIComponent(dropParameters(path)),
  'does all, and takes a backslash for a slash': (path) =>
    decodeURIComponent(dropParameters(path)).replaceAll('\\', '/'),
  'decodes, and takes a backslash for a letter': (path) => decodeURIComponent(path).replaceAll('\\', '%5C'),
  'decodes, then joins slashes (nginx)': (path) => joinSlashes(decodeURIComponent(path)),
  'decodes, resolves dots, then joins slashes': (path) =>
    joinSlashes(new URL(`http://h${decodeURIComponent(path)}`).pathname),
};

function joinSlashes(path: string): string {
  return path.replaceAll(/\/{2,}/g, '/');
}

function dropParameters(path: string): string {
  return path
    .split('/')
    .map((segment) => segment.split(';', 1)[0])
    .join('/');
}

for (const [server, read] of Object.entries(servers)) {
  test(`no path leads past a rule at a server that ${server}`, () => {
    const list = compileAccessList([
      { action: 'allow', host: 'a', port: '80', path: '/pub/' },
      { action: 'allow', host: 'b', port: '80' },
      { action: 'deny', host: 'b', port: '80', path: '/admin' },
    ]);
    const check = (path: string): void => {
      const asked = normalizePath(path);
      const served = new URL(`http://h${read(asked).replace(/^\/+/, '/')}`).pathname;
      const may = (host: string): boolean => decide(list, { host, port: 80, path: asked }).allowed;
      if (may('a')) assert.ok(served.startsWith('/pub/'), `${path} is served as ${served}`);
      if (served.startsWith('/admin')) assert.ok(!may('b'), `${path} is served as ${served}`);
    };
    for (const path of [
      '/pub/..;/admin/x;%2F..%2F..%2Fpub%2F',
      '/pub/..%2Fadmin%2Fx%2F..;%2F..;%2Fpub%2F',
      '/x/..;/admin/x;%2F..%2F..%2Fx',
      '/pub//%2E%2E/admin',
      '/x//..%2Fadmin',
      '/x%2F%2F.%2F..%2Fadmin',
      '/%2Fadmin%2F%2F..%2Fx',
      '/%2Fadmin%2Fx%5C..%5C..%5C..%5Cy',
    ])
      check(path);
    const piece = fc.constantFrom('/', '..', '.', ';', '%2F', '%5C', '\\', '%3B', 'pub', 'admin', 'x');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 14 }), (pieces) => check(`/${pieces.join('')}`)),
      { numRuns: 3_000 },
    );
  });
}

test('whether any path may be reached is not answered by rules that deny a part of them', () => {
  const list = compileAccessList([
    { action: 'allow', host: 'a', port: '80', path: '/pub/' },
    { action: 'deny', host: 'a', port: '80', path: '/' },
    { action: 'allow', host: '*', port: '*' },
    { action: 'deny', host: 'b', port: '*' },
  ]);
  assert.ok(decide(list, { host: 'a', port: 80, somePath: true }).allowed);
  assert.ok(!decide(list, { host: 'a', port: 80 }).allowed);
  assert.ok(!decide(list, { host: 'b', port: 80, somePath: true }).allowed);
});

test('a second path of a request must be allowed too, and one that cannot be read is denied by rules with a path', () => {
  const list = compileAccessList([
    { action: 'allow', host: 'a', port: '80', path: '/pub' },
    { action: 'allow', host: 'b', port: '80' },
    { action: 'deny', host: 'b', port: '80', path: '/secret' },
    { action: 'allow', host: 'c', port: '80' },
  ]);
  const allowed = (host: string, path: string, otherPath: string | null): boolean =>
    decide(list, { host, port: 80, path, otherPath }).allowed;
  assert.deepEqual(
    [allowed('a', '/pub/1', '/pub/2'), allowed('a', '/pub/1', '/other'), allowed('a', '/other', '/pub/2')],
    [true, false, false],
  );
  assert.deepEqual([allowed('b', '/1', '/2'), allowed('b', '/1', '/%73ecret')], [true, false]);
  assert.deepEqual(
    ['a', 'b', 'c'].map((host) => allowed(host, '/pub', null)),
    [false, false, true],
  );
  assert.equal(
    decide(list, { host: 'b', port: 80, path: '/1', otherPath: '/secret' }).rule?.text,
    'deny b:80/secret',
  );
});
