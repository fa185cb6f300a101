import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { callerCaWarnings } from './caller-cas.ts';

test('a client CA below one that is not among them is a warning, wherever those above it are named', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-caller-cas-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const openssl = (words: string): void =>
    void execFileSync('openssl', words.split(' '), { cwd: folder, stdio: 'ignore' });
  const newKey = '-nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -keyout';
  writeFileSync(join(folder, 'ca.cnf'), 'basicConstraints=critical,CA:TRUE\n');
  openssl(`req -x509 ${newKey} root.key -out root.pem -subj /CN=root`);
  for (const [name, by] of [
    ['middle', 'root'],
    ['low', 'middle'],
  ] as const) {
    openssl(`req -new ${newKey} ${name}.key -out ${name}.csr -subj /CN=${name}`);
    const signer = `-CA ${by}.pem -CAkey ${by}.key -CAcreateserial -extfile ca.cnf`;
    openssl(`x509 -req -in ${name}.csr ${signer} -out ${name}.pem`);
  }
  const [root, middle, low] = ['root', 'middle', 'low'].map((name) =>
    readFileSync(join(folder, `${name}.pem`), 'utf8'),
  );
  const warned = (...chains: (string | undefined)[]): string[] =>
    callerCaWarnings(chains.map((chainPem = '', index) => ({ path: `/${index}`, chainPem }))).map(
      ({ path, code, message }) => `${path} ${code} ${message}`,
    );
  assert.deepEqual(warned(root), []);
  assert.deepEqual(warned(low, middle, root), []);
  assert.deepEqual(warned(`${low}${root}${middle}`), []);
  const [alone, ...others] = warned(root, low);
  assert.match(
    alone ?? '',
    /^\/1 CERTSTORE_CLIENT_CA_OPEN nobody with a certificate of CN=low is let in.*CN=middle/,
  );
  assert.deepEqual(others, []);
  assert.deepEqual(
    warned(low, middle).map((text) => text.slice(0, 2)),
    ['/0', '/1'],
  );
});
