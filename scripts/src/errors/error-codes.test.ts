import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rootFolder } from '../root.ts';
import { codesInPage, codesInSource } from './error-codes.ts';

const source = codesInSource(rootFolder);
const rows = codesInPage(rootFolder);
const documented = new Set(rows.map((row) => row.code));

test('every error code in the source has a row in docs/ERRORS.md', () => {
  const missing = [...source]
    .filter(([code]) => !documented.has(code))
    .map(([code, file]) => `${code} (${file})`);
  assert.deepEqual(missing, []);
});

test('every code of docs/ERRORS.md stands in the source', () => {
  assert.deepEqual(
    [...documented].filter((code) => !source.has(code)),
    [],
  );
});

test('no code has two rows', () => {
  assert.equal(rows.length, documented.size);
});

test('each row has code, HTTP status, cause and remedy', () => {
  assert.deepEqual(
    rows.filter((row) => row.cells !== 4).map((row) => row.code),
    [],
  );
});
