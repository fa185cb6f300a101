import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { readRevocationLists, readSignedLists } from './revocation-list.ts';

const settings = `[ca]
default_ca = own
[own]
database = index
crlnumber = number
default_md = sha256
private_key = ca.key
certificate = ca.pem
[plain]
authorityKeyIdentifier = keyid:always
[delta]
2.5.29.27 = critical,DER:020101
[indirect]
issuingDistributionPoint = critical,@several
[several]
indirectCRL = TRUE
[reasons]
issuingDistributionPoint = critical,@some
[some]
onlysomereasons = keyCompromise
[attributes]
issuingDistributionPoint = critical,@attribute
[attribute]
onlyAA = TRUE
[users]
issuingDistributionPoint = critical,@user
[user]
onlyuser = TRUE
fullname = URI:http://crl.example/users.crl
`;
let folder: string;

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'postern-lists-'));
  for (const [name, text] of Object.entries({ settings, index: '', number: '01' }))
    writeFileSync(join(folder, name), text);
  openssl(
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=CA -keyout ca.key -out ca.pem',
  );
});
after(() => rmSync(folder, { recursive: true }));

function openssl(arguments_: string): void {
  execFileSync('openssl', arguments_.split(' '), { cwd: folder, stdio: 'ignore' });
}

/** A list of openssl's, in PEM. */
function listWith(extensions: string, ends: string): string {
  openssl(`ca -config settings -gencrl -crlexts ${extensions} -crl_nextupdate ${ends} -out list.pem`);
  return readFileSync(join(folder, 'list.pem'), 'utf8');
}

function read(text: string | Buffer): string {
  const found = readRevocationLists(Buffer.from(text));
  return found.kind === 'invalid' ? found.fault : (found.nextUpdate?.toISOString() ?? 'for ever');
}

test('a list is read with when the next one is due, in PEM and in DER, and of several the first that is due counts', () => {
  const [near, far] = [listWith('plain', '300101120000Z'), listWith('users', '20610203040506Z')];
  assert.equal(read(near), '2030-01-01T12:00:00.000Z');
  assert.equal(read(far), '2061-02-03T04:05:06.000Z');
  assert.equal(read(`# of the CA\n${far}${near}`), '2030-01-01T12:00:00.000Z');
  const der = Buffer.from(near.replaceAll(/-----.*-----/g, ''), 'base64');
  const found = readRevocationLists(der);
  assert(found.kind === 'lists');
  assert.equal(found.pem, near);
  assert.equal(found.byCa.size, 1);
  const [own] = found.byCa.values();
  assert.equal(own?.pem, near);
  assert(Math.abs(own.made.getTime() - Date.now()) < 600_000, String(own.made));
});

test('a list that OpenSSL would pass over is refused, also behind one that counts', () => {
  const plain = listWith('plain', '300101120000Z');
  const expected: [extensions: string, fault: RegExp][] = [
    ['delta', /^adds to another list \(delta\): give the complete list of the CA$/],
    ['indirect', /^is of several CAs \(indirect\)/],
    ['reasons', /^is for some reasons of revocation only/],
    ['attributes', /^is for attribute certificates only/],
  ];
  for (const [extensions, fault] of expected) {
    const list = listWith(extensions, '300101120000Z');
    assert.match(read(list), fault);
    assert.match(read(plain + list), fault);
  }
});

test('a list counts that a believed CA signed, with a key of whatever kind, and however many entries it has', async () => {
  const kinds = {
    'rsa -pkeyopt rsa_keygen_bits:2048': ['sha256', 'sha384', 'sha1'],
    'rsa-pss -pkeyopt rsa_keygen_bits:2048': ['sha256', 'sha512', 'sha1'],
    'ec -pkeyopt ec_paramgen_curve:P-384': ['sha384', 'sha512'],
    ed25519: ['null'],
  };
  const revoked = Array.from({ length: 30_000 }, (_, serial) => {
    const hex = (serial + 4096).toString(16);
    return `R\t300101120000Z\t250101120000Z\t${hex.length % 2 === 0 ? hex : `0${hex}`}\tunknown\t/CN=x\n`;
  });
  const ca = (name: string): string => readFileSync(join(folder, name), 'utf8');
  writeFileSync(join(folder, 'index'), revoked.join(''));
  for (const [kind, hashes] of Object.entries(kinds)) {
    openssl(`req -x509 -newkey ${kind} -nodes -subj /CN=CA -keyout kind.key -out kind.pem`);
    for (const hash of hashes) {
      openssl(
        `ca -config settings -gencrl -keyfile kind.key -cert kind.pem -md ${hash} -crldays 1 -out list.pem`,
      );
      writeFileSync(join(folder, 'index'), '');
      const list = Buffer.from(ca('list.pem'));
      const found = await readSignedLists(list, [ca('ca.pem'), ca('ca.pem') + ca('kind.pem')]);
      assert.equal(found.kind, 'lists', `${kind} ${hash}`);
      const refused = await readSignedLists(list, [ca('ca.pem')]);
      assert.deepEqual(refused, { kind: 'invalid', fault: 'is signed by no CA that is believed here' });
    }
  }
});

test('of several lists those alone are given that a believed CA signed, and a changed one is signed by none', async () => {
  const own = listWith('plain', '300101120000Z');
  openssl('req -x509 -newkey ed25519 -nodes -subj /CN=CA -keyout other.key -out other.pem');
  openssl('ca -config settings -gencrl -keyfile other.key -cert other.pem -md null -crldays 1 -out list.pem');
  const both = Buffer.from(own + readFileSync(join(folder, 'list.pem'), 'utf8'));
  const caPem = readFileSync(join(folder, 'ca.pem'), 'utf8');
  const found = await readSignedLists(both, [caPem]);
  assert(found.kind === 'lists');
  assert.equal(found.pem, own);
  assert.equal(found.nextUpdate?.toISOString(), '2030-01-01T12:00:00.000Z');
  const changed = Buffer.from(own.replaceAll(/-----.*-----/g, ''), 'base64');
  changed.write('310101120000Z', changed.indexOf('300101120000Z'), 'latin1');
  assert.equal((await readSignedLists(changed, [caPem])).kind, 'invalid');
  assert.equal((await readSignedLists(both, [])).kind, 'invalid');
  const cut = await readSignedLists(both.subarray(0, -99), [caPem]);
  assert.deepEqual(cut, { kind: 'invalid', fault: 'is no revocation list (X.509 CRL, PEM or DER)' });
});

test('a list that a believed CA signed in the name of another does not count', async () => {
  const ca = (name: string): string => readFileSync(join(folder, name), 'utf8');
  openssl('req -x509 -newkey ed25519 -nodes -subj /CN=CA -keyout other.key -out posing.pem');
  openssl('req -x509 -key other.key -subj /CN=Other -out other.pem');
  openssl(
    'ca -config settings -gencrl -keyfile other.key -cert posing.pem -md null -crldays 1 -out list.pem',
  );
  const cas = [ca('ca.pem'), ca('other.pem')];
  const posing = await readSignedLists(Buffer.from(ca('list.pem')), cas);
  assert.deepEqual(posing, { kind: 'invalid', fault: 'is signed by no CA that is believed here' });
  openssl('ca -config settings -gencrl -keyfile other.key -cert other.pem -md null -crldays 1 -out list.pem');
  assert.equal((await readSignedLists(Buffer.from(ca('list.pem')), cas)).kind, 'lists');
});

test('the name of a CA is the same in other kinds of strings, letters of another case, and with more spaces', async () => {
  const ca = (name: string): string => readFileSync(join(folder, name), 'utf8');
  const signedAs = async (subject: string, other: string, mask: string): Promise<string> => {
    const settingsOf = (kind: string): string =>
      `[req]\ndistinguished_name = name\nprompt = no\nstring_mask = ${kind}\nx509_extensions = v3\n[name]\n[v3]\nbasicConstraints = CA:TRUE\n`;
    const make = (name: string, kind: string, out: string): void => {
      writeFileSync(join(folder, 'names'), settingsOf(kind));
      const named = ['-subj', name, '-config', 'names', '-utf8', '-key', 'ca.key', '-out', out];
      execFileSync('openssl', ['req', '-x509', ...named], { cwd: folder, stdio: 'ignore' });
    };
    make(subject, 'utf8only', 'believed.pem');
    make(other, mask, 'signs.pem');
    openssl('ca -config settings -gencrl -cert signs.pem -crldays 1 -out list.pem');
    return (await readSignedLists(Buffer.from(ca('list.pem')), [ca('believed.pem')])).kind;
  };
  assert.equal(await signedAs('/O=Plant/CN=Client CA', '/O=plant/CN= Client  ca', 'default'), 'lists');
  assert.equal(await signedAs('/CN=Müller CA', '/CN=Müller CA', 'MASK:0x800'), 'lists');
  assert.equal(await signedAs('/CN=Müller CA', '/CN=Müller CA', 'MASK:0x4'), 'lists');
  assert.equal(await signedAs('/O=Plant/CN=CA', '/CN=CA/O=Plant', 'utf8only'), 'invalid');
});

test('what is no list, or is cut, is refused', () => {
  const plain = listWith('plain', '300101120000Z');
  const der = Buffer.from(plain.replaceAll(/-----.*-----/g, ''), 'base64');
  const broken = '-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n';
  for (const text of [
    '',
    '<html>',
    broken,
    plain + broken,
    plain.slice(0, 99),
    plain + plain.slice(0, 99),
    der.subarray(0, 99),
  ])
    assert.equal(read(text), 'is no revocation list (X.509 CRL, PEM or DER)');
});
