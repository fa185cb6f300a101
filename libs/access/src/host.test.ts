import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isHost, toAsciiHost } from './host.ts';

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
