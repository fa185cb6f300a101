import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { AccessRule } from '@postern/access';
import { addRules } from './access-list-command.ts';
import type { Api } from './api.ts';
import { exitCodeOfRotation } from './certificate-command.ts';
import { command } from './command.ts';
import { ApiError, CliError, describeError, exitCodeOf } from './errors.ts';
import { mergeBodies } from './noun.ts';
import { nouns } from './nouns.ts';
import { fieldsOf, tableOf } from './output.ts';
import {
  parseAddedRules,
  parseData,
  parseHosts,
  parseNumber,
  parseProxy,
  parseRules,
  parseTarget,
  parseHostPort,
  readNamed,
  readNamedText,
  readSecret,
} from './value.ts';

describe('arguments', () => {
  it('takes HOST:PORT with IPv6 in brackets and a path', () => {
    assert.deepEqual(parseTarget('db.corp:5432'), { host: 'db.corp', port: 5432 });
    assert.deepEqual(parseTarget('[fd00::1]:22'), { host: 'fd00::1', port: 22 });
    assert.deepEqual(parseTarget('db:65535'), { host: 'db', port: 65_535 });
    assert.deepEqual(parseTarget('erp:443/orders'), { host: 'erp', port: 443, path: '/orders' });
    // The last word of a line of a file that Windows wrote.
    assert.deepEqual(parseTarget('db.corp:5432\r'), { host: 'db.corp', port: 5432 });
  });

  it('refuses a path where HOST:PORT is asked for, and says whose it is', () => {
    assert.deepEqual(parseHostPort('db.corp:5432'), { host: 'db.corp', port: 5432 });
    assert.throws(() => parseHostPort('erp:443/orders'), {
      code: 'CLI_ARGUMENT_INVALID',
      message:
        /^"erp:443\/orders" is no HOST:PORT; callers name the path \/orders themselves, .*"protocol":"http"/,
    });
  });

  it('refuses what is none', () => {
    for (const text of ['', 'db', 'db:', ':5432', 'db:0', 'db:65536', 'fd00::1:22', 'db:5432x']) {
      assert.throws(() => parseTarget(text), { code: 'CLI_ARGUMENT_INVALID' }, text);
    }
    for (const text of ['1.5', '', ' ', '-1', 'x'])
      assert.throws(() => parseNumber(text), { code: 'CLI_ARGUMENT_INVALID' }, text);
    for (const text of ['a', 'a=', '=1', 'a=1,', 'a=1=2'])
      assert.throws(() => parseHosts(text), { code: 'CLI_ARGUMENT_INVALID' }, text);
    assert.throws(() => parseData('[1]'), { code: 'CLI_ARGUMENT_INVALID' });
    assert.throws(() => parseRules(['allow']), { code: 'CLI_ARGUMENT_INVALID' });
    assert.throws(() => parseProxy('socks5://50%@proxy:1080'), { code: 'CLI_ARGUMENT_INVALID' });
  });

  it('reads no device and no endless file, and says the bound', () => {
    const refused = {
      code: 'CLI_ARGUMENT_INVALID',
      message: '/dev/zero cannot be read: it is longer than 9 bytes',
    };
    assert.throws(() => readNamed('/dev/zero', 9), refused);
    assert.throws(() => readSecret('/dev/zero'), { code: 'CLI_ARGUMENT_INVALID' });
    assert.equal(readNamed('/dev/null', 9).length, 0);
  });

  it('reads text without its BOM, and refuses what is in neither UTF-8 nor UTF-16 rather than lose a character', (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'postern-cli-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = (name: string, bytes: Buffer): string => {
      writeFileSync(join(folder, name), bytes);
      return join(folder, name);
    };
    assert.equal(readSecret(file('bom', Buffer.from('\uFEFFpass wörd\r\n'))), 'pass wörd');
    const refused = { code: 'CLI_ARGUMENT_INVALID', message: /is not text in UTF-8/ };
    assert.throws(() => readSecret(file('latin1', Buffer.from('wörd\n', 'latin1'))), refused);
    const nothing = { code: 'CLI_ARGUMENT_INVALID', message: /is empty$/ };
    assert.throws(() => readSecret(file('empty', Buffer.from('\nsecond\n'))), nothing);
    const utf16 = file('utf16', Buffer.from('\uFEFFacl allow a:1\n', 'utf16le'));
    assert.equal(readNamedText(utf16, 99), 'acl allow a:1\n');
    const cut = file('cut', Buffer.from('\uFEFFacl', 'utf16le').subarray(0, 7));
    assert.throws(() => readNamedText(cut, 99), refused);
  });

  it('takes 0 as a number, hosts with commas between them, and a proxy with its user but not its password', () => {
    assert.equal(parseNumber('0'), 0);
    assert.deepEqual(parseHosts('a=1, b=2'), { a: '1', b: '2' });
    const proxy = { type: 'socks5', host: 'proxy', port: 1080 };
    assert.deepEqual(parseProxy('socks5://proxy:1080'), proxy);
    assert.deepEqual(parseProxy('socks5://a%40b@proxy:1080'), { ...proxy, username: 'a@b' });
    assert.throws(() => parseProxy('socks5://me:SECRET@proxy:1080'), {
      code: 'CLI_ARGUMENT_INVALID',
      message: /^a password does not belong into an argument: give it by --proxy-password-file$/,
    });
  });

  it('takes rules with and without the word acl', () => {
    const rules = [{ action: 'allow', host: '10.0.0.5', port: '5432' }];
    assert.deepEqual(parseRules(['allow 10.0.0.5:5432']), rules);
    assert.deepEqual(parseAddedRules(['allow 10.0.0.5:5432']), rules);
    const forgetting = { code: 'CLI_ARGUMENT_INVALID', message: /set the list that is to be left/ };
    assert.throws(() => parseAddedRules(['allow a:1', 'no acl 10.0.0.5:5432']), forgetting);
    assert.deepEqual(parseRules(['acl allow 10.0.0.5:5432\n']), rules);
    const [rule] = rules;
    const other = { ...rule, host: '10.0.0.6' };
    assert.deepEqual(parseRules(['# of a file\nallow 10.0.0.5:5432\r\n  allow 10.0.0.6:5432']), [
      rule,
      other,
    ]);
    assert.throws(() => parseRules(['allow a:1\n\nallow b']), { message: /^line 3: / });
  });

  it('merges options that set fields of one object', () => {
    const bodies = [{ front: { host: 'a' } }, { name: 'x' }, { front: { port: 1 } }];
    assert.deepEqual(mergeBodies(bodies), { front: { host: 'a', port: 1 }, name: 'x' });
  });

  it('takes fields that are called as what every object has, so that the API judges them', () => {
    for (const text of ['{"toString":1}', '{"constructor":{"name":1}}', '{"a":{"__proto__":{"b":1}}}']) {
      const merged = mergeBodies([parseData(text), { name: 'x' }]);
      assert.deepEqual(JSON.parse(JSON.stringify(merged)), { ...parseData(text), name: 'x' });
    }
    assert.equal(JSON.stringify(mergeBodies([parseData('{"__proto__":{"b":1}}')])), '{"__proto__":{"b":1}}');
  });

  it('refuses options that contradict each other, and says which field both set', () => {
    const refused = {
      code: 'CLI_ARGUMENT_INVALID',
      message: /contradict each other: both set resource\.compress/,
    };
    const both = [{ resource: { compress: true } }, { resource: { compress: false } }];
    assert.throws(() => mergeBodies(both), refused);
    assert.throws(() => mergeBodies([{ resource: { compress: {} } }, ...both]), refused);
    assert.deepEqual(mergeBodies([{ kind: 'cloud' }, { kind: 'cloud' }]), { kind: 'cloud' });
  });
});

describe('output', () => {
  it('shows nothing that a terminal would interpret', () => {
    assert.equal(fieldsOf({ name: 'a\u001b[31mb' }), 'name  a?[31mb');
    // A client's name may be a heading, and so a key.
    assert.equal(fieldsOf({ 'a\u001b[31m': { 'b\n': 'c' } }), 'a?[31m.b?  c');
    const problem = {
      status: 409,
      code: 'X',
      detail: 'a\u001b[31mb',
      errors: [{ path: '/\u0007', message: 'm\r' }],
    };
    assert.equal(describeError(new ApiError(problem)), 'X: a?[31mb\n  /? m?');
    assert.equal(
      describeError(new CliError('CLI_UNREACHABLE', 'a\u009bb')).split('\n')[0],
      'CLI_UNREACHABLE: a?b',
    );
  });

  it('shows a line for each item, and says when there are none', () => {
    const items = [
      { id: 'a', tunnels: [{ node: 'n1' }, { node: 'n2' }] },
      { id: 'b', tunnels: [] },
    ];
    assert.equal(tableOf(items, { id: 'id', nodes: 'tunnels.*.node' }), 'ID  NODES\na   n1, n2\nb   –');
    assert.equal(tableOf([], { id: 'id' }), 'none');
  });

  it('shows which nodes do not listen at a front, and why', () => {
    const listening = [
      { node: 'edge-1', listening: true, error: null },
      { node: 'edge-2', listening: false, error: 'EADDRINUSE' },
    ];
    const columnsOf = (name: string) => nouns.find((noun) => noun.name === name)?.columns ?? {};
    assert.match(
      tableOf([{ url: 'tcp://a:1', listening }], columnsOf('fronts')),
      /edge-1, edge-2 +yes, no +EADDRINUSE$/,
    );
    assert.match(tableOf([{ listening }], columnsOf('destinations')), /^.*LISTENING.*\n.*yes, no/);
    // Of a cloud destination clients listen.
    const listeners = [{ clientId: 'c', listening: false, error: 'EADDRINUSE' }];
    assert.match(tableOf([{ listeners }], columnsOf('destinations')), /^.*LISTENING.*\n.* no /);
  });

  it('has a column of every noun lead somewhere', () => {
    for (const { columns } of nouns) assert(Object.values(columns).every((path) => path !== ''));
  });
});

describe('errors', () => {
  it('repeats no value of what it does not know, which may be a secret', () => {
    for (const flag of ['--key=SECRET', '--passphrase=SECRET', '-kSECRET', "--key=a\n'SECRET"]) {
      const { said, code } = refusalOf(['gateways', 'list', flag]);
      assert.doesNotMatch(said, /SECRET/, flag);
      assert.match(said, /^error: unknown option '--?\w+=?…'/, flag);
      assert.equal(code, 'commander.unknownOption');
    }
    assert.match(refusalOf(['gateways', 'list', '--bogus']).said, /^error: unknown option '--bogus'\n/);
    const { said } = refusalOf(['gateways', 'show', 'g', 'SECRET']);
    assert.equal(said.split('\n')[0], "error: too many arguments for 'show'. Expected 1 argument but got 2");
    assert.doesNotMatch(said, /SECRET/);
    assert.throws(
      () => parseProxy('http://me:SECRET@proxy:1080'),
      (error) => error instanceof CliError && !describeError(error).includes('SECRET'),
    );
  });

  it('ends with the code that scripts read', () => {
    const exit = (status: number): number => exitCodeOf(new ApiError({ status, code: 'X' }));
    assert.deepEqual([401, 403, 404, 409, 412, 500, 503].map(exit), [77, 77, 64, 64, 64, 70, 69]);
    // What is too busy now is not asked for wrongly.
    assert.equal(exit(429), 69);
    // A test that nobody could make has failed like one that did not reach the resource.
    assert.equal(exitCodeOf(new ApiError({ status: 409, code: 'ROUTER_NO_CLIENT' })), 69);
    assert.equal(exitCodeOf(new CliError('CLI_UNREACHABLE', '')), 69);
    assert.equal(exitCodeOf(new CliError('CLI_CONTEXT_MISSING', '')), 78);
  });

  it('shows code, detail, each fault, what to do and the tracking ID', () => {
    const problem = {
      status: 404,
      code: 'ACL_GATEWAY_UNKNOWN',
      detail: 'there is no gateway x',
      trackingId: 't1',
      errors: [{ path: '/name', message: 'must not be blank' }],
    };
    assert.equal(
      describeError(new ApiError(problem)),
      [
        'ACL_GATEWAY_UNKNOWN: there is no gateway x',
        '  /name must not be blank',
        '  what to do: check the ID',
        '  tracking ID: t1',
      ].join('\n'),
    );
  });

  it('shows a fault once that is all there is', () => {
    const errors = [{ path: '/name', message: 'must not be blank' }];
    const problem = { status: 400, code: 'X', detail: '/name must not be blank', errors };
    assert.equal(describeError(new ApiError(problem)), 'X: /name must not be blank');
  });
});

/** What the command line says of arguments that it does not take. */
function refusalOf(argv: readonly string[]): { said: string; code: unknown } {
  let said = '';
  const gateways = command.commands.find((one) => one.name() === argv[0]);
  const one = gateways?.commands.find((verb) => verb.name() === argv[1]);
  assert(one);
  one.configureOutput({ writeErr: (text) => (said += text) });
  try {
    one.parse(argv.slice(2), { from: 'user' });
  } catch (error) {
    return { said, code: (error as { code?: unknown }).code };
  }
  return { said, code: null };
}

describe('rotation of the key-encryption key', () => {
  const rotation = { keyId: 'k2', total: 9, left: 3, fault: 'a key is missing' };

  it('ends with 0 when all is done, and with 69 where it waits for a key that is not there', () => {
    assert.equal(exitCodeOfRotation({ ...rotation, state: 'done' }), 0);
    assert.equal(exitCodeOfRotation({ ...rotation, state: 'waiting' }), 69);
  });
});

describe('rules that are added', () => {
  const allow = (host: string): AccessRule => ({ action: 'allow', host, port: '1' });
  const apiWith = (rules: readonly AccessRule[]): { api: Api; calls: unknown[][] } => {
    const calls: unknown[][] = [];
    const call = async (...asked: unknown[]): Promise<unknown> => {
      calls.push(asked);
      return { rules, revision: 7 };
    };
    return { api: { call, list: async () => [] }, calls };
  };

  it('are put in place of what was read and nothing else, so that nobody loses rules of another', async () => {
    const { api, calls } = apiWith([allow('a')]);
    await addRules(api, '/gateways/g/access-list', [allow('b')]);
    assert.deepEqual(calls, [
      ['GET', '/gateways/g/access-list'],
      ['PUT', '/gateways/g/access-list', { rules: [allow('a'), allow('b')] }, 7],
    ]);
  });

  it('are not added again where they are there, in whatever form, and without one nothing is changed', async () => {
    const { api, calls } = apiWith([allow('db.corp'), { ...allow('b'), path: '/x' }]);
    const shown = await addRules(api, '/gateways/g/access-list', [allow('DB.corp'), allow('db.corp')]);
    assert.deepEqual(shown, { rules: [allow('db.corp'), { ...allow('b'), path: '/x' }], revision: 7 });
    assert.deepEqual(calls, [['GET', '/gateways/g/access-list']]);
    const other = apiWith([allow('db.corp')]);
    await addRules(other.api, '/gateways/g/access-list', [allow('b'), allow('b'), allow('db.corp')]);
    assert.deepEqual(other.calls[1]?.[2], { rules: [allow('db.corp'), allow('b')] });
  });
});
