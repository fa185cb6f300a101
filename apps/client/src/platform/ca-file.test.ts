import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { CaFile } from './ca-file.ts';
import { makeCertificate } from './platform.fixture.ts';

test('a CA that was renewed in its file is taken, and a file that is no CA changes nothing and is told once', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-ca-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'ca.pem');
  const [first, second] = [await makeCertificate(), await makeCertificate()];
  writeFileSync(path, first.caPem);
  const told: string[] = [];
  const tell = (_fields: object, message?: string): void => void told.push(message ?? '');
  const file = new CaFile(path, first.caPem, { info: tell, warn: tell } as never);
  const renewed = (): string => {
    file.renew();
    return file.pem;
  };
  assert.equal(renewed(), first.caPem);
  writeFileSync(path, first.caPem + second.caPem);
  assert.equal(file.pem, first.caPem, 'of the last connection');
  assert.equal(renewed(), first.caPem + second.caPem);
  assert.equal(renewed(), first.caPem + second.caPem);
  writeFileSync(path, second.caPem.slice(0, 100));
  assert.equal(renewed(), first.caPem + second.caPem);
  rmSync(path);
  for (let time = 0; time < 2; time += 1) assert.equal(renewed(), first.caPem + second.caPem);
  assert.deepEqual(told, [
    'the file of the CA is another one',
    'the file of the CA was not taken; the former CA stays',
    'the file of the CA was not taken; the former CA stays',
  ]);
});
