import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isHost, parseHostPattern, toAsciiHost } from './host.ts';

const wire: [host: string, ascii: string][] = [
  ['a.corp', 'a.corp'],
  ['BÜCHER.example', 'xn--bcher-kva.example'],
  ['*.bücher.example', '*.xn--bcher-kva.example'],
  ['１２７.0.0.1', '１２７.0.0.1'],
  ['ü/x', 'ü/x'],
  ['ü?x', 'ü?x'],
];
for (const [host, ascii] of wire) {
  test(`hosts: ${host} goes out as ${ascii}`, () => assert.equal(toAsciiHost(host), ascii));
}

test('hosts: an address or a name can be dialled, and no name of another script that would be read as an address', () => {
  for (const host of ['10.0.0.5', '::1', 'a.corp', 'ü.corp']) assert.equal(isHost(host), true, host);
  for (const host of ['', 'a b', '127.1', '１２７.0.0.1', 'ü/x']) assert.equal(isHost(host), false, host);
});

test('hosts: a *. stands before a name, and before nothing else', () => {
  assert.equal(parseHostPattern('*.Corp.')?.text, '*.corp');
  for (const text of ['*.', '*..', '*.a b', '*.*', '*.*.corp', '*.10.0.0.5', '*.5', '*.fd00::1', 'a.*', '**'])
    assert.equal(parseHostPattern(text), null, text);
});

test('hosts: a name has 253 characters at most, without its trailing dot, and labels of 63', () => {
  const name = `${'a'.repeat(63)}.`.repeat(3) + 'a'.repeat(61);
  for (const host of [name, `${name}.`]) assert.equal(isHost(host), true, `${host.length}`);
  for (const host of [`${name}a`, `${name}a.`, `${name}..`, 'a'.repeat(64), ''])
    assert.equal(isHost(host), false, `${host.length}`);
});
