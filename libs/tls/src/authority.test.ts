import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import {
  TlsError,
  createAuthority,
  createSigningRequest,
  describeCertificate,
  generateKey,
  loadAuthority,
  splitChain,
} from './index.ts';

const run = promisify(execFile);
const tomorrow = (): Date => new Date(Date.now() + 86_400_000);
const pair = await createAuthority({ commonName: 'Test CA' });
const authority = loadAuthority(pair);
const keyPem = await generateKey();
const names = { names: ['Front.Example', '*.front.example'], addresses: ['127.0.0.1', '::1'] };
const csrPem = await createSigningRequest({ keyPem, commonName: 'front.example', ...names });

function refusesWith(code: string): (error: unknown) => boolean {
  return (error) => error instanceof TlsError && error.code === code;
}

test('an issued certificate carries the names asked for, the usage and an end', async () => {
  const pem = await authority.issue({ csrPem, ...names, usage: 'server', notAfter: tomorrow() });
  const shown = describeCertificate(pem);
  assert.deepEqual(shown.names, ['front.example', '*.front.example']);
  assert.deepEqual(shown.addresses, ['127.0.0.1', '::1']);
  assert.equal(shown.issuer, 'CN=Test CA');
  assert.equal(shown.key, 'ECDSA P-256');
  assert.equal(shown.isAuthority, false);
  assert.match(shown.fingerprint, /^[0-9a-f]{64}$/);
  assert(shown.isKeyedBy(keyPem) && !shown.isKeyedBy(pair.keyPem));
  assert(shown.notBefore.getTime() <= Date.now() - 3_500_000, 'clocks differ');
  assert(shown.notAfter.getTime() <= tomorrow().getTime());
});

test('the names of the request are not taken, only those that the caller gives', async () => {
  const pem = await authority.issue({
    csrPem,
    names: ['other.example'],
    usage: 'client',
    notAfter: tomorrow(),
  });
  assert.deepEqual(describeCertificate(pem).names, ['other.example']);
  assert.equal(describeCertificate(pem).subject, 'CN=other.example');
});

test('a CA signs end entities and lists, and each certificate is for its usage and nothing else', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'postern-tls-'));
  t.after(() => rm(folder, { recursive: true }));
  const extensionsOf = async (pem: string): Promise<string> => {
    await writeFile(join(folder, 'one.pem'), pem);
    const wanted = 'basicConstraints,keyUsage,extendedKeyUsage';
    const shown = await run('openssl', ['x509', '-noout', '-ext', wanted, '-in', join(folder, 'one.pem')]);
    return shown.stdout.replaceAll(/X509v3 /g, '').replaceAll(/: critical\s+/g, ' critical: ');
  };
  const own = await extensionsOf(pair.certificatePem);
  assert.match(own, /Basic Constraints critical: CA:TRUE, pathlen:0\n/);
  assert.match(own, /Key Usage critical: Certificate Sign, CRL Sign\n/);
  const server = 'TLS Web Server Authentication';
  const client = 'TLS Web Client Authentication';
  for (const [usage, keyUsage, purposes] of [
    ['server', 'Digital Signature', server],
    ['client', 'Digital Signature', client],
    ['both', 'Digital Signature, Key Agreement', `${server}, ${client}`],
  ] as const) {
    const issued = await extensionsOf(
      await authority.issue({ csrPem, ...names, usage, notAfter: tomorrow() }),
    );
    assert.match(issued, /Basic Constraints critical: CA:FALSE\n/);
    assert.match(issued, new RegExp(`Key Usage critical: ${keyUsage}\n`));
    assert.match(issued, new RegExp(`Extended Key Usage: *\\s*${purposes}\\s*$`));
  }
});

test('serial numbers are positive, of full length and never the same', async () => {
  const serials = new Set<string>();
  for (let index = 0; index < 32; index += 1) {
    const pem = await authority.issue({ csrPem, ...names, usage: 'server', notAfter: tomorrow() });
    const { serial } = describeCertificate(pem);
    assert.match(serial, /^[4-7][0-9a-f]{31}$/);
    serials.add(serial);
  }
  assert.equal(serials.size, 32);
});

test('a name that is longer than a subject takes is cut there, and whole among the alternative names', async () => {
  const long = `${'a'.repeat(60)}.example.org`;
  const pem = await authority.issue({ csrPem, names: [long], usage: 'server', notAfter: tomorrow() });
  assert.equal(describeCertificate(pem).subject, `CN=${long.slice(0, 64)}`);
  assert.deepEqual(describeCertificate(pem).names, [long]);
});

test('a certificate never outlives its authority', async () => {
  const brief = loadAuthority(await createAuthority({ commonName: 'Brief CA', days: 2 }));
  const late = new Date(Date.now() + 9 * 86_400_000);
  const pem = await brief.issue({ csrPem, names: ['a.example'], usage: 'server', notAfter: late });
  assert.equal(describeCertificate(pem).notAfter.getTime(), brief.notAfter.getTime());
});

test('openssl accepts the chain for its purpose and name, and refuses another purpose', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'postern-tls-'));
  t.after(() => rm(folder, { recursive: true }));
  const pem = await authority.issue({ csrPem, ...names, usage: 'server', notAfter: tomorrow() });
  await writeFile(join(folder, 'ca.pem'), pair.certificatePem);
  await writeFile(join(folder, 'leaf.pem'), pem);
  const verify = (...more: string[]) =>
    run('openssl', ['verify', '-x509_strict', '-CAfile', 'ca.pem', ...more, 'leaf.pem'], { cwd: folder });
  assert.match(
    (await verify('-purpose', 'sslserver', '-verify_hostname', 'x.front.example')).stdout,
    /leaf\.pem: OK/,
  );
  assert.match((await verify('-verify_ip', '::1')).stdout, /OK/);
  await assert.rejects(verify('-purpose', 'sslclient'));
  await assert.rejects(verify('-verify_hostname', 'evil.example'));
});

test('a request with a weak key, a broken signature or no request at all is refused', async () => {
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
  });
  const weakCsr = await createSigningRequest({ keyPem: weak, commonName: 'x' });
  const ask = (csr: string) =>
    authority.issue({ csrPem: csr, names: ['x'], usage: 'server', notAfter: tomorrow() });
  await assert.rejects(ask(weakCsr), refusesWith('TLS_KEY_WEAK'));
  await assert.rejects(ask('nonsense'), refusesWith('TLS_REQUEST_INVALID'));
  await assert.rejects(ask('x'.repeat(20_000)), refusesWith('TLS_REQUEST_INVALID'));
  const body = Buffer.from(csrPem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');
  body.writeUInt8(body.readUInt8(body.length - 1) ^ 1, body.length - 1);
  const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${body.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
  await assert.rejects(ask(forged), refusesWith('TLS_REQUEST_INVALID'));
});

test('what is no name or address does not get into a certificate', async () => {
  for (const wrong of [
    { names: ['a b'] },
    { names: ['x\nDNS:evil'] },
    { names: ['a.*.b'] },
    { names: [`${'a.'.repeat(126)}aa`] },
    { names: Array.from({ length: 129 }, (_, index) => `a${index}`) },
    { names: Array.from({ length: 128 }, (_, index) => `a${index}`), addresses: ['1.2.3.4'] },
    { addresses: ['1.2.3'] },
    {},
  ]) {
    const asked = authority.issue({ csrPem, ...wrong, usage: 'server', notAfter: tomorrow() });
    await assert.rejects(asked, refusesWith('TLS_REQUEST_INVALID'));
  }
});

test('an authority whose key is another one, or that is no CA, is refused', async () => {
  assert.throws(() => loadAuthority({ ...pair, keyPem }), refusesWith('TLS_KEY_INVALID'));
  assert.throws(() => loadAuthority({ ...pair, keyPem: 'x' }), refusesWith('TLS_KEY_INVALID'));
  const leaf = await authority.issue({ csrPem, names: ['a'], usage: 'server', notAfter: tomorrow() });
  assert.throws(
    () => loadAuthority({ keyPem, certificatePem: leaf }),
    refusesWith('TLS_CERTIFICATE_INVALID'),
  );
});

test('a PEM text is split within its bounds', () => {
  assert.equal(splitChain(pair.certificatePem.repeat(3)).length, 3);
  assert.throws(() => splitChain(pair.certificatePem.repeat(17)), refusesWith('TLS_CERTIFICATE_INVALID'));
  assert.throws(() => splitChain('x'.repeat(300_000)), refusesWith('TLS_CERTIFICATE_INVALID'));
  assert.throws(() => splitChain('nothing'), refusesWith('TLS_CERTIFICATE_INVALID'));
});
