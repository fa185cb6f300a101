import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { whyNotAllowed } from './caller-certificate.ts';

/** A connection whose certificate OpenSSL believes. */
function callerWith(subject: string, alternative: string | null): TLSSocket {
  const args = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -subj`.split(
    ' ',
  );
  const pem = execFileSync(
    'openssl',
    [...args, subject, ...(alternative === null ? [] : ['-addext', `subjectAltName=${alternative}`])],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  const certificate = new X509Certificate(pem);
  return { authorized: true, getPeerX509Certificate: () => certificate } as unknown as TLSSocket;
}

const isAllowed = (caller: TLSSocket, pattern: string): boolean => whyNotAllowed(caller, [pattern]) === null;

test('a pattern is held against the names of its kind alone', () => {
  const names = {
    CN: 'app-7',
    O: 'Shop Ltd',
    OU: 'Tills',
    DNS: 'app-7.corp.example',
    URI: 'spiffe://corp/app-7',
    EMAIL: 'App@corp.example',
    IP: '10.0.0.7',
  };
  const { CN, O, OU, DNS, URI, EMAIL, IP } = names;
  const caller = callerWith(
    `/CN=${CN}/O=${O}/OU=${OU}`,
    `DNS:${DNS},URI:${URI},email:${EMAIL},IP:${IP},otherName:1.2.3.4;UTF8:other`,
  );
  for (const kind of Object.keys(names)) {
    for (const [other, text] of Object.entries(names))
      assert.equal(isAllowed(caller, `${kind}:${text}`), kind === other, `${kind}:${text}`);
    assert.equal(isAllowed(caller, `${kind}:other`), false);
  }
  for (const pattern of ['dns:APP-7.Corp.Example', 'EMAIL:app@CORP.example'])
    assert(isAllowed(caller, pattern));
  for (const pattern of ['CN:APP-7', 'O:shop ltd', 'URI:spiffe://CORP/app-7', '', 'CN', ':app-7', 'app-7'])
    assert(!isAllowed(caller, pattern), pattern);
});

test('a * stands for any characters, in DNS for those of one label, and all the others are there in their order', () => {
  const matches = (pattern: string, text: string): boolean =>
    isAllowed(callerWith(`/CN=${text}`, `DNS:${text}`), pattern);
  for (const [pattern, text] of [
    ['CN:*', 'app'],
    ['CN:app*', 'app'],
    ['CN:app-*-prod', 'app-7-prod'],
    ['CN:a*b*c', 'abc'],
    ['CN:a*b*c', 'aXbYbZc'],
    ['CN:*.corp', 'a.b.corp'],
    ['DNS:*.corp.example', 'app.corp.example'],
    ['DNS:app-*.corp.example', 'APP-7.corp.example'],
    ['DNS:*.*', 'a.b'],
  ] as const)
    assert(matches(pattern, text), `${pattern} ${text}`);
  for (const [pattern, text] of [
    ['CN:app-*', 'xapp-7'],
    ['CN:app-*', 'app'],
    ['CN:*-prod', 'app-prod-x'],
    ['CN:app-*-prod', 'app-prod'],
    ['CN:a*b*c', 'acb'],
    ['CN:a*b*c', 'axc'],
    ['CN:a*bc*c', 'abc'],
    ['CN:a*b*b*c', 'abc'],
    ['DNS:*.corp.example', 'app.evil.example'],
    ['DNS:*.corp.example', 'app.corp.evil'],
    ['DNS:*.corp.example', 'a.b.corp.example'],
    ['DNS:*.corp.example', 'corp.example'],
    ['DNS:app.*', 'app.corp.example'],
    ['DNS:*', 'a.b'],
  ] as const)
    assert(!matches(pattern, text), `${pattern} ${text}`);
});

test('a certificate without alternative names has those of its subject, and a name that is too long is none', () => {
  assert(isAllowed(callerWith('/CN=app', null), 'CN:app'));
  const uri = (length: number): string => `URI:${'u:'.padEnd(length, 'x')}`;
  assert(isAllowed(callerWith('/CN=app', uri(1_024)), 'URI:u*'));
  assert(!isAllowed(callerWith('/CN=app', uri(1_025)), 'URI:u*'));
});

test('a certificate of which OpenSSL passes over a name that cannot be read is refused where names count', () => {
  const caller = callerWith('/CN=app', 'DER:30:03:82:05:61');
  assert.match(whyNotAllowed(caller, ['CN:app']) ?? '', /its names cannot be read/);
  assert.equal(whyNotAllowed(caller, []), null);
});
