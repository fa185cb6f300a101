import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createSigningRequest, describeCertificate, generateKey } from '@postern/tls';
import { SecretFolder } from './secret-folder.ts';
import { serverAuthority, serverCertificate } from './server-certificate.ts';

const names = ['nats-1', 'localhost'];

async function made(t: TestContext) {
  const root = mkdtempSync(join(tmpdir(), 'postern-setup-'));
  t.after(() => rmSync(root, { recursive: true }));
  const uid = process.getuid?.() ?? 0;
  const folder = new SecretFolder(root, 'nats', uid);
  const authority = await serverAuthority(new SecretFolder(root, 'setup', uid));
  await serverCertificate(authority, folder, names);
  return { authority, folder };
}

test('the certificate of a server ends with its CA, since a server that nobody starts anew takes no other', async (t) => {
  const { authority, folder } = await made(t);
  assert.deepEqual(describeCertificate(folder.read('certificate.pem')).notAfter, authority.notAfter);
});

test('a certificate that ends before, or lacks a name, is made anew; another stays', async (t) => {
  const { authority, folder } = await made(t);
  const first = folder.read('certificate.pem');
  await serverCertificate(authority, folder, names);
  assert.equal(folder.read('certificate.pem'), first);

  const csrPem = await createSigningRequest({ keyPem: await generateKey(), commonName: 'nats-1', names });
  const notAfter = new Date(Date.now() + 397 * 86_400_000);
  folder.write('certificate.pem', await authority.issue({ csrPem, names, usage: 'both', notAfter }));
  await serverCertificate(authority, folder, names);
  assert.deepEqual(describeCertificate(folder.read('certificate.pem')).notAfter, authority.notAfter);

  await serverCertificate(authority, folder, [...names, 'nats-2']);
  assert(describeCertificate(folder.read('certificate.pem')).names.includes('nats-2'));
});
