import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { Type } from 'typebox';
import { ConfigError, Secret, defineProgram, logSettings, opsSettings, secret } from './index.ts';

const schema = Type.Object({
  ...logSettings,
  ...opsSettings(9101),
  gateways: Type.Array(Type.String({ maxLength: 20 }), {
    argument: '<gatewayId...>',
    description: 'Gateways.',
  }),
  port: Type.Integer({ minimum: 0, maximum: 65535, default: 443, short: '-P', description: 'A port.' }),
  ui: Type.Boolean({ default: true, negations: ['--noUI'], description: 'The web UI.' }),
  service: Type.Boolean({ default: false, description: 'Restart.' }),
  aclFile: Type.Optional(
    Type.String({
      short: '-F',
      aliases: ['--aclfile', '--F'],
      placeholder: 'FILE',
      description: 'Access list.',
    }),
  ),
  hosts: Type.Record(Type.String(), Type.String(), {
    default: {},
    placeholder: 'NAME=ADDRESS',
    description: 'Names.',
  }),
  transport: Type.Union([Type.Literal('auto'), Type.Literal('direct')], {
    default: 'auto',
    description: 'How.',
  }),
  limit: Type.Union([Type.Integer({ minimum: 1 }), Type.Null()], { default: null, description: 'A limit.' }),
  token: Type.Optional(
    secret({
      environment: 'POSTERN_TOKEN',
      inArgv: ['-t', '--sectoken'],
      description: 'The security token.',
    }),
  ),
  sites: Type.Array(
    Type.Object(
      { id: Type.String(), token: Type.Optional(secret({ description: 'Its token.' })) },
      { additionalProperties: false },
    ),
    { default: [], description: 'Several gateways.' },
  ),
});

const program = defineProgram({
  name: 'postern-sample',
  description: 'A sample.',
  environmentPrefix: 'SAMPLE',
  schema,
});

type Files = Record<string, string>;

function readFrom(files: Files) {
  return (path: string): string => {
    const text = files[path];
    if (text === undefined) throw new Error(`ENOENT: no such file, open '${path}'`);
    return text;
  };
}

function settingsOf(argv: string[], environment: Record<string, string> = {}, files: Files = {}) {
  const resolution = program.resolve(argv, environment, readFrom(files));
  assert(resolution.kind === 'run');
  return resolution.settings;
}

function problemsOf(
  argv: string[],
  environment: Record<string, string> = {},
  files: Files = {},
): ConfigError {
  try {
    program.resolve(argv, environment, readFrom(files));
  } catch (error) {
    assert(error instanceof ConfigError);
    return error;
  }
  return assert.fail('nothing was refused');
}

function printed(argv: string[], environment: Record<string, string> = {}): string {
  const resolution = program.resolve(argv, environment, readFrom({}));
  assert(resolution.kind === 'print');
  return resolution.text;
}

test('a flag wins over the environment, that over the file, and the file over the default', () => {
  const files = { 'a.yaml': 'port: 1\nopsPort: 2\nlogLevel: warn\n' };
  const environment = { POSTERN_SAMPLE_PORT: '3', POSTERN_SAMPLE_OPS_PORT: '4' };
  const settings = settingsOf(['g', '--config', 'a.yaml', '--port', '5'], environment, files);
  assert.equal(settings.port, 5);
  assert.equal(settings.opsPort, 4);
  assert.equal(settings.logLevel, 'warn');
  assert.equal(settings.opsHost, '127.0.0.1');
});

test('the file may be named by a variable', () => {
  assert.equal(settingsOf(['g'], { POSTERN_SAMPLE_CONFIG: 'a' }, { a: 'port: 7' }).port, 7);
});

test('an empty variable counts as not set', () => {
  assert.equal(settingsOf(['g'], { POSTERN_SAMPLE_PORT: '' }).port, 443);
});

test('a leading -- is dropped', () => {
  assert.deepEqual(settingsOf(['--', 'g1', 'g2', '-P', '0']).gateways, ['g1', 'g2']);
});

test('of a flag and its alias the last one counts', () => {
  assert.equal(settingsOf(['g', '-F', 'a', '--aclfile', 'b']).aclFile, 'b');
  assert.equal(settingsOf(['g', '--aclfile', 'b', '--F', 'a']).aclFile, 'a');
});

test('booleans are switched off by --no-, by a negation and by a variable', () => {
  assert.equal(settingsOf(['g', '--no-ui']).ui, false);
  assert.equal(settingsOf(['g', '--noUI']).ui, false);
  assert.equal(settingsOf(['g', '--service'], { POSTERN_SAMPLE_UI: 'off' }).ui, false);
  assert.equal(settingsOf(['g', '--service']).service, true);
});

test('maps take repeated flags and commas, and values with equals signs', () => {
  assert.deepEqual(settingsOf(['g', '--hosts', 'a=1', '--hosts', 'b=2,c=x=y']).hosts, {
    a: '1',
    b: '2',
    c: 'x=y',
  });
  for (const wrong of ['a', 'a=1,b', 'a=1,=2'])
    assert.match(problemsOf(['g', '--hosts', wrong]).message, /--hosts must be a map of NAME=ADDRESS/);
});

test('a nullable setting takes none', () => {
  assert.equal(settingsOf(['g', '--limit', 'none']).limit, null);
  assert.equal(settingsOf(['g', '--limit', '3']).limit, 3);
  assert.match(problemsOf(['g', '--limit', '0']).message, /of at least 1, or none \(it is 0\)/);
});

test('a secret is read from a variable, a file named by a variable or flag, or the settings file', () => {
  assert.equal(settingsOf(['g'], { POSTERN_TOKEN: 'abc' }).token?.reveal(), 'abc');
  const fromVariable = settingsOf(['g'], { POSTERN_TOKEN_FILE: 't' }, { t: 'abc\n' }).token;
  assert.equal(fromVariable?.reveal(), 'abc');
  assert.equal(fromVariable?.file, 't');
  assert.equal(settingsOf(['g', '--token-file', 't'], {}, { t: 'abc\r\n' }).token?.reveal(), 'abc');
  assert.equal(settingsOf(['g', '--config', 'c'], {}, { c: 'tokenFile: t', t: 'x' }).token?.reveal(), 'x');
});

test('a file of a secret is text in UTF-8, or in UTF-16 with a BOM, which is none of it, or refused without a word of it', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-secret-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'token');
  const tokenOf = (): Secret | undefined => {
    const resolution = program.resolve(['g'], { POSTERN_TOKEN_FILE: file });
    assert(resolution.kind === 'run');
    return resolution.settings.token;
  };
  writeFileSync(file, '\uFEFFpässword\r\n');
  const token = tokenOf();
  assert.equal(token?.reveal(), 'pässword');
  const littleEndian = Buffer.from('\uFEFFpässword\r\n', 'utf16le');
  for (const bytes of [littleEndian, Buffer.from(littleEndian).swap16()]) {
    writeFileSync(file, bytes);
    assert.equal(tokenOf()?.reveal(), 'pässword');
    assert.equal(token?.current(), 'pässword');
  }
  for (const bytes of [Buffer.from('pässword', 'latin1'), littleEndian.subarray(0, 9)]) {
    writeFileSync(file, bytes);
    assert.throws(tokenOf, {
      code: 'CONFIG_FILE',
      message: /cannot be used: it is not text in UTF-8: save it/,
    });
    assert.throws(() => token?.current(), /not text in UTF-8/);
  }
});

test('the same secret as text and as file is refused', () => {
  const error = problemsOf(['g'], { POSTERN_TOKEN: 'a', POSTERN_TOKEN_FILE: 't' }, { t: 'b' });
  assert.equal(error.code, 'CONFIG_CONFLICT');
  assert.equal(error.exitCode, 78);
});

test('a secret in argv is taken with a warning', () => {
  const resolution = program.resolve(['g', '-t', 'abc'], {});
  assert(resolution.kind === 'run');
  assert.equal(resolution.settings.token?.reveal(), 'abc');
  assert.match(
    resolution.warnings[0] ?? '',
    /^-t shows its secret .* use --token-file or POSTERN_TOKEN instead$/,
  );
});

test('a secret inside a structure of the file is wrapped too', () => {
  const settings = settingsOf(['g', '--config', 'c'], {}, { c: 'sites: [{id: a, token: hush}]' });
  assert(settings.sites[0]?.token instanceof Secret);
  assert.doesNotMatch(JSON.stringify(settings) + inspect(settings, { depth: 9, showHidden: true }), /hush/);
});

test('a secret shows three asterisks wherever it is printed', () => {
  const hidden = new Secret('hush');
  assert.equal(
    `${String(hidden)} ${JSON.stringify({ hidden })} ${inspect({ hidden })}`,
    '*** {"hidden":"***"} { hidden: *** }',
  );
});

test('a secret is in no message about it', () => {
  const own = defineProgram({
    name: 'x',
    description: 'x',
    environmentPrefix: 'X',
    schema: Type.Object({ key: secret({ description: 'A key.', minLength: 32 }) }),
  });
  assert.throws(
    () => own.resolve([], { POSTERN_X_KEY: 'hush' }),
    (error) =>
      error instanceof ConfigError &&
      /POSTERN_X_KEY must be text of at least 32/.test(error.message) &&
      !/hush/.test(error.message),
  );
});

test('an unknown flag is a bad usage that suggests the nearest', () => {
  const error = problemsOf(['g', '--prot', '1']);
  assert.equal(error.code, 'CONFIG_USAGE');
  assert.equal(error.exitCode, 64);
  assert.match(error.message, /--prot.*--port/);
});

test('what an unknown flag was given is not shown, and the flag for its file is suggested', () => {
  for (const [given, told] of [
    ['--token=hush', "unknown option '--token'; did you mean --token-file?"],
    ['--tokn-file=hush', "unknown option '--tokn-file'; did you mean --token-file?"],
    ['--prot=hush', "unknown option '--prot'; did you mean --port?"],
    ['-xhush', "unknown option '-x'"],
  ] as const) {
    const error = problemsOf(['g', given]);
    assert.equal(error.message, told);
    assert.doesNotMatch(inspect(error, { depth: 9 }), /hush/);
  }
});

test('a flag without its value, and an argument too many, are bad usage, and the argument is not shown', () => {
  assert.match(problemsOf(['g', '--port']).message, /^option '-P, --port <N>' argument missing$/);
  const own = defineProgram({
    name: 'x',
    description: 'x',
    environmentPrefix: 'X',
    schema: Type.Object({}),
  });
  assert.throws(
    () => own.resolve(['hush'], {}),
    (error) =>
      error instanceof ConfigError &&
      error.code === 'CONFIG_USAGE' &&
      /^too many arguments.* but got 1$/.test(error.message),
  );
});

test('an unknown key names its line and suggests the nearest', () => {
  const error = problemsOf(['g', '--config', 'c.yaml'], {}, { 'c.yaml': '# x\nport: 1\nlogLevle: info\n' });
  assert.equal(error.code, 'CONFIG_UNKNOWN_KEY');
  assert.equal(error.exitCode, 78);
  assert.match(error.message, /c\.yaml:3: logLevle is not a known setting; did you mean logLevel\?/);
});

test('an unknown key inside a structure is refused', () => {
  const error = problemsOf(['g', '--config', 'c'], {}, { c: 'sites: [{id: a, tokn: b}]' });
  assert.match(error.message, /^c:1: sites\.0\.tokn is not a known key$/);
});

test('an unknown variable suggests the nearest', () => {
  const error = problemsOf(['g'], { POSTERN_SAMPLE_PROT: '1' });
  assert.equal(error.code, 'CONFIG_UNKNOWN_VARIABLE');
  assert.match(error.message, /POSTERN_SAMPLE_PROT.*did you mean POSTERN_SAMPLE_PORT\?/);
});

test('variables of tests and benches are left alone, and so are those without our prefix', () => {
  settingsOf(['g'], { POSTERN_TEST_X: '1', POSTERN_BENCH_PEERS: '2', POSTER: '3' });
});

test('every problem is told, not only the first', () => {
  const error = problemsOf([], { POSTERN_SAMPLE_PORT: '70000', POSTERN_LOG_LEVEL: 'loud' });
  assert.deepEqual(
    error.problems.map(({ code }) => code),
    ['CONFIG_INVALID', 'CONFIG_USAGE', 'CONFIG_INVALID'],
  );
  assert.equal(error.exitCode, 64);
  assert.match(error.message, /POSTERN_SAMPLE_PORT must be a whole number from 0 to 65535 \(it is 70000\)/);
  assert.match(error.message, /POSTERN_LOG_LEVEL must be one of trace, debug, info, warn, error, silent/);
  assert.match(error.message, /gateways is missing: give <gatewayId\.\.\.>, or POSTERN_SAMPLE_GATEWAYS/);
});

test('what is wrong is told once, with the form that is right', () => {
  const unread = problemsOf(['g', '--token-file', 'no']);
  assert.deepEqual(
    unread.problems.map(({ code }) => code),
    ['CONFIG_FILE'],
  );
  const long = problemsOf(['x'.repeat(21)]);
  assert.match(
    long.message,
    /^<gatewayId\.\.\.> must be a list of which each item is text of at most 20 characters$/,
  );
  const own = defineProgram({
    name: 'x',
    description: 'x',
    environmentPrefix: 'X',
    schema: Type.Object({
      word: Type.String({ pattern: '^[a-z]+$', form: 'small letters', default: '', description: 'A word.' }),
    }),
  });
  assert.throws(() => own.resolve(['--word', '7'], {}), {
    message: '--word must be text of small letters (it is "7")',
  });
});

test('a file that says nothing changes nothing', () => {
  for (const text of ['', '# port: 1\n'])
    assert.equal(settingsOf(['g', '--config', 'c'], {}, { c: text }).port, 443);
});

test('a file that is missing, broken or no map is refused by name', () => {
  for (const text of ['a: [', '- 1', 'port: 1\nport: 2']) {
    const error = problemsOf(['g', '--config', 'c'], {}, { c: text });
    assert.equal(error.code, 'CONFIG_FILE');
    assert.match(error.message, /^the file c cannot be used: /);
  }
  assert.match(problemsOf(['g', '--config', 'no']).message, /the file no cannot be used: ENOENT/);
});

test('a broken file is refused with the line and none of its text, which may be a secret', () => {
  for (const text of [
    '# x\ntoken: hush: x',
    'token: "hush\nport: 1',
    '# x\ntoken: *hush',
    '# x\ntoken: @hush',
  ]) {
    const error = problemsOf(['g', '--config', 'c'], {}, { c: text });
    assert.match(
      error.message,
      /^the file c cannot be used: (line 2 is not well-formed YAML \([A-Z_]+\)|an alias)/,
    );
    assert.doesNotMatch(inspect(error, { depth: 9 }), /hush/);
  }
});

test('the settings are frozen through and through', () => {
  const settings = settingsOf(['g', '--hosts', 'a=b']);
  assert(Object.isFrozen(settings) && Object.isFrozen(settings.hosts) && Object.isFrozen(settings.gateways));
});

test('help names every visible flag, its default and its variable', () => {
  const help = printed(['--help']);
  assert.match(help, /-P, --port <N>\s+A port\. \(default 443; POSTERN_SAMPLE_PORT\)/);
  assert.match(help, /Usage: postern-sample \[options\] <gatewayId\.\.\.>/);
  assert.match(help, /--token-file <FILE>/);
  assert.doesNotMatch(help, /--aclfile|--noUI|--sectoken/);
  assert.equal(printed(['-h']), help);
});

test('--version prints the version alone', () => {
  assert.match(printed(['--version']), /^\d+\.\d+\.\d+\n$/);
});

test('--check-config prints every value and where it is from, secrets masked', () => {
  const text = printed(['g', '--check-config', '-P', '1'], { POSTERN_TOKEN: 'hush' });
  assert.match(text, /^port: 1 {2}# flag$/m);
  assert.match(text, /^token: "\*\*\*" {2}# environment$/m);
  assert.match(text, /^ui: true {2}# default$/m);
});

test('the last of a range is not below its first, wherever the two were given', () => {
  const number = (value: number, notBelow?: string) =>
    Type.Integer({ default: value, description: 'One.', ...(notBelow === undefined ? {} : { notBelow }) });
  const ranged = defineProgram({
    name: 'x',
    description: 'x',
    environmentPrefix: 'X',
    schema: Type.Object({ last: number(9, 'first'), first: number(5) }),
  });
  const resolve = (...argv: string[]) => ranged.resolve(argv, { POSTERN_X_LAST: '7' });
  assert.equal(resolve('--first', '7').kind, 'run');
  for (const argv of [
    ['--first', '8'],
    ['--first', '8', '--check-config'],
  ])
    assert.throws(() => resolve(...argv), {
      code: 'CONFIG_INVALID',
      exitCode: 78,
      message: 'last, 7, is below first, 8',
    });
});

test('a flag with two meanings is a bug in the schema', () => {
  const twice = Type.Object({
    a: Type.String({ default: '', short: '-x', description: 'a' }),
    b: Type.String({ default: '', short: '-x', description: 'b' }),
  });
  assert.throws(
    () => defineProgram({ name: 'x', description: 'x', environmentPrefix: 'X', schema: twice }),
    /-x has one meaning/,
  );
});
