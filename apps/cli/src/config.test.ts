import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { rootCertificates } from 'node:tls';
import { ConfigError } from '@postern/config';
import { type GivenFlags, resolveFlags } from './config.ts';
import { readContext } from './context.ts';

function fileWith(t: TestContext, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'postern-cli-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'postern.yaml');
  writeFileSync(path, text);
  return path;
}

function settings(flags: GivenFlags, environment: Record<string, string> = {}): object {
  const resolution = resolveFlags(flags, environment);
  assert(resolution.kind === 'run');
  return resolution.settings;
}

function codeOf(flags: GivenFlags, environment: Record<string, string> = {}): [string | undefined, number] {
  try {
    resolveFlags(flags, environment);
  } catch (error) {
    assert(error instanceof ConfigError);
    return [error.code, error.exitCode];
  }
  return [undefined, 0];
}

test('a flag goes before the environment, that before the file', (t) => {
  const config = fileWith(t, 'operatorFile: file.json\nca: file.pem\njson: true\n');
  const environment = { POSTERN_OPERATOR: 'environment.json' };
  assert.deepEqual(settings({ config }), { operatorFile: 'file.json', ca: 'file.pem', json: true });
  assert.partialDeepStrictEqual(settings({ config }, environment), { operatorFile: 'environment.json' });
  assert.partialDeepStrictEqual(settings({ config, operatorFile: '-o.json' }, environment), {
    operatorFile: '-o.json',
  });
});

test('an unknown key and an unknown variable are refused with the one that was probably meant', (t) => {
  const config = fileWith(t, 'operatorFil: x\n');
  assert.deepEqual(codeOf({ config }), ['CONFIG_UNKNOWN_KEY', 78]);
  assert.deepEqual(codeOf({}, { POSTERN_OPERATR: 'x' }), ['CONFIG_UNKNOWN_VARIABLE', 78]);
  assert.throws(() => resolveFlags({}, { POSTERN_OPERATR: 'x' }), /did you mean POSTERN_OPERATOR\?/);
});

test('--check-config shows each setting with where it comes from', (t) => {
  const ca = fileWith(t, rootCertificates[0] ?? '');
  const operator = JSON.stringify({ adminUrl: 'https://localhost', apiKey: 'k', caFile: ca });
  const POSTERN_OPERATOR = fileWith(t, operator);
  const resolution = resolveFlags({ checkConfig: true, json: true }, { POSTERN_OPERATOR });
  assert(resolution.kind === 'print');
  assert.match(resolution.text, /^operatorFile: ".*" {2}# environment$/m);
  assert.match(resolution.text, /^json: true {2}# flag$/m);
});

test('--check-config refuses what every command would refuse: no platform, and a file that is none', (t) => {
  assert.throws(() => resolveFlags({ checkConfig: true }, {}), { code: 'CLI_CONTEXT_MISSING' });
  const operatorFile = fileWith(t, '{}');
  assert.throws(() => resolveFlags({ checkConfig: true, operatorFile }, {}), { code: 'CLI_CONTEXT_INVALID' });
});

test('the operator’s file is not read where address, key and CA are given one by one', (t) => {
  const given = { url: 'https://there', keyFile: fileWith(t, 'key'), operatorFile: '/nonexistent' };
  const ca = fileWith(t, rootCertificates[0] ?? '');
  assert.equal(readContext({ ...given, ca }).url.hostname, 'there');
  assert.throws(() => readContext(given), { code: 'CLI_CONTEXT_INVALID', message: /^\/nonexistent/ });
});

test('a CA file without a certificate is refused, since the public CAs would be believed in its place', (t) => {
  const keyFile = fileWith(t, 'key');
  const broken = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';
  for (const text of ['', 'garbage', broken, (rootCertificates[0] ?? '') + broken]) {
    const given = { url: 'https://localhost', keyFile, ca: fileWith(t, text) };
    assert.throws(() => readContext(given), {
      code: 'CLI_CONTEXT_INVALID',
      message: /^--ca.*the file of the CA/,
    });
  }
});

test('an address with a user or a password in it is refused, and not repeated', (t) => {
  const keyFile = fileWith(t, 'key');
  for (const url of ['https://me:SECRET@host', 'https://:SECRET@host', 'http://me:SECRET@host']) {
    assert.throws(() => readContext({ url, keyFile }), {
      code: 'CLI_CONTEXT_INVALID',
      message: /^the address of the admin API has no user and no password/,
    });
  }
});
