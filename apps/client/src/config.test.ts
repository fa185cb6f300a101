import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ConfigError } from '@postern/config';
import { withoutEffect } from './config.ts';
import { program } from './program.ts';
import { type ClientOptions, gatewaysWithoutList, readOptions, rootLogLevel } from './options.ts';

const connect = ['--connect', 'https://gw.example'];

function optionsOf(argv: string[], environment: Record<string, string> = {}): ClientOptions {
  return readOptions(settingsOf(argv, environment), environment);
}

function settingsOf(argv: string[], environment: Record<string, string> = {}) {
  const resolution = program.resolve(argv, environment);
  assert(resolution.kind === 'run');
  return resolution.settings;
}

const tokensOf = ({ gateways }: ClientOptions): (string | null)[] =>
  gateways.map(({ readToken }) => readToken());

describe('client settings', () => {
  it('takes gateways as arguments and the platform by --connect, with or without https://', () => {
    const options = optionsOf(['abc', 'def', '--connect', 'gw.example:8443']);
    assert.deepEqual(
      options.gateways.map(({ id }) => id),
      ['abc', 'def'],
    );
    assert.equal(options.connectUrl.href, 'https://gw.example:8443/');
    assert.equal(optionsOf(['abc', '-g', 'gw.example']).connectUrl.hostname, 'gw.example');
  });

  it('refuses plain HTTP, paths and credentials in --connect, no gateway, and one named twice, as bad usage', () => {
    for (const argv of [
      ['abc', '--connect', 'http://gw'],
      ['abc', '--connect', 'https://gw/path'],
      ['abc', '--connect', 'https://u:p@gw'],
      connect,
      ['abc', 'abc', ...connect],
    ]) {
      assert.throws(
        () => optionsOf(argv),
        (error: unknown) => error instanceof ConfigError && error.exitCode === 64,
        argv.join(' '),
      );
    }
  });

  it('says of a server of IBM Secure Gateway that it was shut down, and what is to be given', () => {
    for (const host of ['sgmanager.us-south.securegateway.cloud.ibm.com', 'sgmanager.ng.bluemix.net'])
      assert.throws(
        () => optionsOf(['abc', '-g', `https://${host}`]),
        /shut down in October 2024: give your own/,
      );
    assert.equal(optionsOf(['abc', '-g', 'notbluemix.net']).connectUrl.hostname, 'notbluemix.net');
  });

  it('takes one token for each gateway in their order, divided by --, and none for nothing', () => {
    assert.deepEqual(tokensOf(optionsOf(['a', 'b', ...connect, '-t', 'none--two'])), [null, 'two']);
    assert.deepEqual(tokensOf(optionsOf(['a', 'b', ...connect], { POSTERN_TOKEN: 'one' })), ['one', null]);
    assert.throws(() => optionsOf(['a', 'b', ...connect, '-t', '1--2--3']), ConfigError);
  });

  it('divides tokens that hold -- themselves only where the next one begins', () => {
    const tokens = ['pt_x--y', 'pt_--z'];
    assert.deepEqual(
      tokensOf(optionsOf(['a', 'b', 'c', ...connect], { POSTERN_TOKEN: `${tokens[0]}--none--${tokens[1]}` })),
      [tokens[0], null, tokens[1]],
    );
    assert.deepEqual(
      tokensOf(optionsOf(['a', 'b', ...connect], { POSTERN_TOKEN: tokens.join('\n') })),
      tokens,
    );
  });

  it('leaves the token of one gateway whole, whatever is in it', () => {
    assert.deepEqual(tokensOf(optionsOf(['a', ...connect], { POSTERN_TOKEN: 'x--y' })), ['x--y']);
  });

  it('reads the token’s file anew each time', (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'postern-config-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'token');
    writeFileSync(file, 'first\n');
    const options = optionsOf(['a', ...connect, '--token-file', file]);
    assert.deepEqual(tokensOf(options), ['first']);
    writeFileSync(file, 'second\n');
    assert.deepEqual(tokensOf(options), ['second']);
  });

  it('takes gateways with tokens of their own from the file', (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'postern-config-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'client.yaml');
    writeFileSync(join(folder, 'token'), 'from a file');
    writeFileSync(
      file,
      `connect: gw\nhosts: { db.corp: 10.0.0.5 }\ngateways:\n  - { id: a, token: one }\n  - { id: b, tokenFile: ${join(folder, 'token')}, aclFile: b.acl }\n`,
    );
    const options = optionsOf(['--config', file]);
    assert.deepEqual(tokensOf(options), ['one', 'from a file']);
    assert.deepEqual(
      options.gateways.map(({ aclFile }) => aclFile),
      [null, 'b.acl'],
    );
    assert.deepEqual(tokensOf(optionsOf(['b', '--config', file])), ['from a file']);
  });

  it('takes the old flags with their meaning', () => {
    const options = optionsOf([
      'a',
      'b',
      ...connect,
      '-F',
      'one.acl',
      '-l',
      'DEBUG--TRACE',
      '-r',
      '20',
      '-x',
      'proxy:3128',
    ]);
    assert.deepEqual(
      options.gateways.map(({ aclFile, logLevel }) => [aclFile, logLevel]),
      [
        ['one.acl', 'debug'],
        [null, 'trace'],
      ],
    );
    assert.deepEqual(gatewaysWithoutList(options), ['b']);
    assert.deepEqual(gatewaysWithoutList(optionsOf(['a', 'b', ...connect])), []);
    assert.deepEqual(gatewaysWithoutList(optionsOf(['a', 'b', ...connect, '-F', 'x--y'])), []);
    assert.equal(rootLogLevel(options), 'trace');
    assert.equal(options.reconnect, 20);
    assert.equal(options.chooseProxy('gw.example', 443)?.host, 'proxy');
    assert.equal(optionsOf(['a', ...connect, '--F', 'x', '--l', 'ERROR']).gateways[0]?.aclFile, 'x');
  });

  it('names the old flags that have no effect, never their values', () => {
    const settings = settingsOf([
      'a',
      ...connect,
      '-P',
      '9003',
      '-w',
      'secret',
      '--noUI',
      '--allow',
      '--service',
      '--no_license',
    ]);
    assert.deepEqual(withoutEffect(settings), ['--noUI', '-P', '-w', '--service', '--no_license', '--allow']);
    assert(!JSON.stringify(settings).includes('secret'));
  });

  it('repeats --hosts, and refuses what is no address', () => {
    const { hosts } = optionsOf(['a', ...connect, '--hosts', 'x=10.0.0.1', '--hosts', 'y=fd00::1']);
    assert.deepEqual(hosts.knows('X'), '10.0.0.1');
    assert.deepEqual(hosts.knows('y.'), 'fd00::1');
    assert.throws(() => optionsOf(['a', ...connect, '--hosts', 'x=other']), ConfigError);
  });

  it('refuses an address, a proxy and a platform that are none as bad usage where flags give them, else as bad configuration', () => {
    for (const [flag, value] of [
      ['hosts', 'x=other'],
      ['proxy', 'ftp://p'],
      ['connect', 'http://gw'],
    ] as const) {
      const { [flag]: _wrong, ...others } = { connect: 'https://gw', [flag]: '' };
      const right = Object.entries(others).flatMap(([name, text]) => [`--${name}`, text]);
      const variable = `POSTERN_CLIENT_${flag.toUpperCase()}`;
      assert.throws(() => optionsOf(['a', ...right, `--${flag}`, value]), {
        exitCode: 64,
        message: new RegExp(`^--${flag}: `),
      });
      assert.throws(() => optionsOf(['a', ...right], { [variable]: value }), {
        exitCode: 78,
        message: new RegExp(`^${variable}: `),
      });
    }
  });

  it('takes the proxy from the environment, and keeps its credentials out of errors', () => {
    const options = optionsOf(['a', ...connect], { HTTPS_PROXY: 'http://p:3128', NO_PROXY: 'gw.example' });
    assert.equal(options.chooseProxy('gw.example', 443), null);
    assert.equal(options.chooseProxy('other', 443)?.port, 3128);
    assert.throws(
      () => optionsOf(['a', ...connect, '--proxy', 'ftp://u:secret@p']),
      (error: Error) => !error.message.includes('secret'),
    );
  });

  it('is refused by --check-config where the start would refuse it', () => {
    assert.equal(program.resolve(['a', ...connect, '--check-config'], {}).kind, 'print');
    for (const argv of [
      [],
      ['a', '--hosts', 'x=other'],
      ['a', '--ca', '/nonexistent'],
      ['a', '-F', '/nonexistent'],
      ['a', 'b', '-F', 'none--/dev/null/x'],
    ]) {
      const given = [...argv, ...connect, '--check-config'];
      assert.throws(() => program.resolve(given, {}), ConfigError, argv.join(' '));
    }
  });

  it('refuses files without an end, as devices are', () => {
    for (const argv of [
      ['--ca', '/dev/zero'],
      ['-F', '/dev/zero'],
    ]) {
      const given = ['a', ...argv, ...connect, '--check-config'];
      assert.throws(() => program.resolve(given, {}), /it is longer than \d+ bytes/, argv.join(' '));
    }
  });

  it('keeps its state below XDG_STATE_HOME, or where it is told', () => {
    assert.equal(optionsOf(['a', ...connect], { XDG_STATE_HOME: '/x' }).state, '/x/postern-client');
    assert.equal(optionsOf(['a', ...connect, '--state', '/y']).state, '/y');
  });
});
