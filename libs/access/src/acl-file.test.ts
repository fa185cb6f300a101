import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { AccessError } from './access-error.ts';
import { parseAclFile } from './acl-file.ts';
import { hostText, normalizeRules, ruleText, type AccessRule } from './rule.ts';

const texts = (file: string) => parseAclFile(file).map(ruleText);

test('acl file: the examples of the grammar', () => {
  const file = `
    acl allow 10.0.0.5:5432        # host:port
    acl allow erp.local:443/orders # with a path, for HTTP destinations
    acl deny  10.0.0.9:            # host, every port
    acl allow :8080                # every host, one port
    acl allow :                    # everything
`;
  assert.deepEqual(texts(file), [
    'allow 10.0.0.5:5432',
    'allow erp.local:443/orders',
    'deny 10.0.0.9:*',
    'allow *:8080',
    'allow *:*',
  ]);
});

test('acl file: "no acl" forgets every rule so far', () => {
  assert.deepEqual(texts('acl allow a:1\nno acl\nacl allow b:2'), ['allow b:2']);
});

test('acl file: "no acl host:port" forgets those rules, in whatever form they were written', () => {
  assert.deepEqual(texts('acl allow A:1\nacl deny a:1\nacl allow a:2\nno acl a.:1'), ['allow a:2']);
});

test('acl file: without rules it has none, so it denies everything', () => {
  assert.deepEqual(texts('\uFEFF# nothing\r\n\r\n'), []);
});

test('acl file: what the old grammar lacks stands in the same places', () => {
  assert.deepEqual(
    texts(
      'acl allow 10.0.0.0/24:8000-8100\nacl deny *.corp:\nACL Allow [::1]:1/x\nacl allow [fd00::]/8:2\nacl allow *:*',
    ),
    ['allow 10.0.0.0/24:8000-8100', 'deny *.corp:*', 'allow [::1]:1/x', 'allow [fd00::/8]:2', 'allow *:*'],
  );
});

test('acl file: every line that is wrong is named, and no rule is taken', () => {
  assert.throws(
    () =>
      parseAclFile(
        'acl allow a:1\nacl allow a\nacl permit b:1\n\nacl allow ::1:5\nacl deny a:70000\nno acl a:1 b',
      ),
    (error) => {
      assert.ok(error instanceof AccessError);
      assert.equal(error.code, 'ACCESS_FILE_INVALID');
      assert.deepEqual(
        error.faults.map(({ at }) => at),
        ['line 2', 'line 3', 'line 5', 'line 6', 'line 7'],
      );
      return true;
    },
  );
});

test('acl file: one wrong line alone is enough for none to be taken, also one that almost forgets rules', () => {
  for (const line of [
    'deny a:1',
    'acl deny a',
    'acl deny [a]:1',
    'acl deny [10.0.0.5]:1',
    'acl deny [::1]/129:1',
    'acl deny a:1 b:2',
    'no',
    'no rule',
    'no rule a:1',
    'the acl',
    'deny acl a:1',
    'no acl a',
  ])
    assert.throws(() => parseAclFile(`acl allow a:\n${line}`), { code: 'ACCESS_FILE_INVALID' }, line);
});

test('acl file: a URL is refused, and not taken for every port of a host called http', () => {
  for (const line of ['allow http://h:80', 'deny https://h/x', 'allow TCP://h:5432'])
    assert.throws(() => parseAclFile(`acl ${line}`), /is a URL: write \[host\]:\[port\]/);
  assert.equal(parseAclFile('acl allow http:80\nacl allow http:/a').length, 2);
});

test('acl file: refuses one that is too large, in bytes and in rules', () => {
  assert.throws(() => parseAclFile('#'.repeat(1024 * 1024 + 1)), { code: 'ACCESS_LIST_TOO_LARGE' });
  assert.throws(() => parseAclFile('acl allow a:1\n'.repeat(1001)), { code: 'ACCESS_LIST_TOO_LARGE' });
});

test('acl file: what is written is read again as the same rules', () => {
  const anyRule: fc.Arbitrary<AccessRule> = fc.record(
    {
      action: fc.constantFrom('allow', 'deny'),
      host: fc.oneof(
        fc.ipV4(),
        fc.ipV6(),
        fc.domain(),
        fc.constantFrom('*', '*.corp', '10.0.0.0/8', 'fd00::/8'),
      ),
      port: fc.constantFrom('1', '8000-8100', '*'),
      path: fc.constantFrom('/', '/a/b', '/a:1'),
    },
    { requiredKeys: ['action', 'host', 'port'] },
  );
  fc.assert(
    fc.property(fc.array(anyRule, { maxLength: 20 }), (rules) => {
      const normal = normalizeRules(rules);
      assert.deepEqual(parseAclFile(formatAclFile(normal)), normal);
      assert.deepEqual(normalizeRules(normal), normal);
    }),
  );
});

test('acl file: no text makes the parser fail otherwise than with its faults', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.string(), fc.constantFrom('acl', 'no', 'allow', '[', ']', ':', '/', '\n', ' '))),
      (parts) => {
        try {
          parseAclFile(parts.join(''));
        } catch (error) {
          assert.ok(error instanceof AccessError);
        }
      },
    ),
  );
});

/** The file that gives these rules. */
function formatAclFile(rules: readonly AccessRule[]): string {
  return ['no acl', ...rules.map(formatRule)].map((line) => `${line}\n`).join('');
}

function formatRule(rule: AccessRule): string {
  const host = rule.host === '*' ? '' : hostText(rule.host);
  const port = rule.port === '*' ? '' : rule.port;
  return `acl ${rule.action} ${host}:${port}${rule.path ?? ''}`;
}
