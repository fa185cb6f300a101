import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyOf } from './field-name.ts';

test('a name is told in small letters however it is written, one that is known beforehand as any other', () => {
  for (const name of [
    'content-type',
    'Content-Type',
    'CONTENT-TYPE',
    'cOntent-Type',
    'ETag',
    'X-Mine',
    'x_mine',
  ])
    assert.equal(keyOf(name), name.toLowerCase());
});

test('a name that is no token has none, be it a known one with something beside it', () => {
  for (const name of ['', 'Host ', ' host', 'Host\t', 'content type', 'host\0', 'höst', 'a:b', '"host"'])
    assert.equal(keyOf(name), null, name);
});
