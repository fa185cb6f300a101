import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AccessError } from './access-error.ts';
import { accessRulesMax, normalizeRules } from './rule.ts';

const wrong: [host: string, port: string, path: string | undefined, at: string][] = [
  ['', '1', undefined, '/rules/0/host'],
  ['10.0.0.5/33', '1', undefined, '/rules/0/host'],
  ['::ffff:10.0.0.5/95', '1', undefined, '/rules/0/host'],
  ['a.corp/8', '1', undefined, '/rules/0/host'],
  ['[fd00::5', '1', undefined, '/rules/0/host'],
  ['fd00::5]', '1', undefined, '/rules/0/host'],
  ['10.0.0.256', '1', undefined, '/rules/0/host'],
  ['127.1', '1', undefined, '/rules/0/host'],
  ['0x7f.0.0.1', '1', undefined, '/rules/0/host'],
  ['host.0x7f', '1', undefined, '/rules/0/host'],
  ['fe80::1%eth0', '1', undefined, '/rules/0/host'],
  ['a.*.corp', '1', undefined, '/rules/0/host'],
  ['*corp', '1', undefined, '/rules/0/host'],
  ['a..b', '1', undefined, '/rules/0/host'],
  ['http://a', '1', undefined, '/rules/0/host'],
  ['a b', '1', undefined, '/rules/0/host'],
  [`${'a'.repeat(64)}.corp`, '1', undefined, '/rules/0/host'],
  [`${'a.'.repeat(126)}bc`, '1', undefined, '/rules/0/host'],
  ['a', '0', undefined, '/rules/0/port'],
  ['a', '65536', undefined, '/rules/0/port'],
  ['a', '9-8', undefined, '/rules/0/port'],
  ['a', '1-', undefined, '/rules/0/port'],
  ['a', ' 1', undefined, '/rules/0/port'],
  ['a', '1', 'orders', '/rules/0/path'],
  ['a', '1', '/a b', '/rules/0/path'],
  ['a', '1', '/a?b', '/rules/0/path'],
  ['a', '1', '/\u0000', '/rules/0/path'],
  ['a', '1', '/*/admin', '/rules/0/path'],
  ['a', '1', `/${'a'.repeat(1024)}`, '/rules/0/path'],
];

for (const [host, port, path, at] of wrong) {
  test(`rules: refuses ${JSON.stringify({ host, port, path })} and says where`, () => {
    const refused = (error: unknown) =>
      error instanceof AccessError && error.code === 'ACCESS_RULES_INVALID' && error.faults[0]?.at === at;
    assert.throws(
      () => normalizeRules([{ action: 'allow', host, port, ...(path === undefined ? {} : { path }) }]),
      refused,
    );
  });
}

test('rules: one form for each', () => {
  const normal = (host: string, port: string) => {
    const [rule] = normalizeRules([{ action: 'allow', host, port }]);
    return `${rule?.host} ${rule?.port}`;
  };
  assert.equal(normal('10.1.2.3/8', '080'), '10.0.0.0/8 80');
  assert.equal(normal('FD00:0:0::1/16', '1-65535'), 'fd00::/16 *');
  assert.equal(normal('[::1]', '5-5'), '::1 5');
  assert.equal(normal('BÜCHER.example', '1'), 'xn--bcher-kva.example 1');
  assert.equal(normal('_srv.Corp', '1'), '_srv.corp 1');
});

test('rules: a path is a prefix also when it is written with a * at its end, as in the old product’s pages', () => {
  const paths = ['/admin/*', '/my/api*', '/*', '/a**', '/a%2A'];
  const normal = normalizeRules(paths.map((path) => ({ action: 'deny', host: 'h', port: '80', path })));
  assert.deepEqual(
    normal.map(({ path }) => path),
    ['/admin/', '/my/api', '/', '/a', '/a%2A'],
  );
});

test('rules: refuses more than a list may have', () => {
  const rules = Array.from({ length: accessRulesMax }, (_, index) => ({
    action: 'allow' as const,
    host: `h${index}`,
    port: '1',
  }));
  assert.equal(normalizeRules(rules).length, accessRulesMax);
  assert.throws(() => normalizeRules([...rules, { action: 'allow', host: 'one', port: '1' }]), {
    code: 'ACCESS_LIST_TOO_LARGE',
  });
});

test('rules: refuses a list that fits no frame', () => {
  const rules = Array.from({ length: 500 }, () => ({
    action: 'allow' as const,
    host: 'a.'.repeat(60) + 'b',
    port: '1',
  }));
  assert.throws(() => normalizeRules(rules), { code: 'ACCESS_LIST_TOO_LARGE' });
});

test('the one form of a range of ports holds the same ports', () => {
  const form = (port: string) => normalizeRules([{ action: 'allow', host: '*', port }])[0]?.port;
  assert.deepEqual(['1-65535', '2-65535', '1-65534', '65535', '1', '0080-0443', '80-80', '*'].map(form), [
    '*',
    '2-65535',
    '1-65534',
    '65535',
    '1',
    '80-443',
    '80',
    '*',
  ]);
});
