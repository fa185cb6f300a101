// The key-encryption key of a small site: in its folder, replaced while it runs, or with a transit server.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type TransitServer, startStandIn } from '@postern/certstore/transit-server';
import type { Certificate, KeyRotation } from '@postern/contracts';
import { type StandaloneProcess, bootStandalone, makeScratch, removeScratch } from '@postern/test-cluster';
import { until } from '@postern/test-kit';

async function makeState(t: TestContext): Promise<string> {
  const state = await makeScratch('keys');
  t.after(() => removeScratch(state));
  return state;
}

function keyFile(state: string): string {
  return join(state, 'key-encryption-key');
}

async function startTransit(
  t: TestContext,
  state: string,
): Promise<{ server: TransitServer; args: string[] }> {
  const server = await startStandIn();
  t.after(() => server.stop());
  const tokenFile = join(state, 'transit-token');
  writeFileSync(tokenFile, `${server.token}\n`, { mode: 0o600 });
  return { server, args: ['--transit-url', server.url, '--transit-token-file', tokenFile] };
}

/** Makes a pair, whose key certstore keeps. */
async function makePair({ admin }: StandaloneProcess, name: string): Promise<string> {
  const body = { name, usage: 'client', subject: `CN=${name}` };
  return (await admin.call<Certificate>('POST', '/certificates/generate', body)).id;
}

/** Has everything encrypted under the newest key. */
async function rotate({ admin }: StandaloneProcess): Promise<void> {
  await admin.call('POST', '/key-rotation');
  await until(
    () => admin.call<KeyRotation>('GET', '/key-rotation'),
    ({ state, left }) => state === 'done' && left === 0,
  );
}

test('a key that is put above the old one takes its place while standalone runs, and the old one can go', async (t) => {
  const state = await makeState(t);
  const newKey = randomBytes(32).toString('base64');
  {
    await using standalone = await bootStandalone({ state });
    await makePair(standalone, 'till');
    writeFileSync(keyFile(state), `${newKey}\n${readFileSync(keyFile(state), 'utf8')}`);
    await rotate(standalone);
  }
  writeFileSync(keyFile(state), `${newKey}\n`);
  await using again = await bootStandalone({ state });
  assert.equal((await again.admin.call<KeyRotation>('GET', '/key-rotation')).left, 0);
  await makePair(again, 'another');
});

test('a new site keeps its key at a transit server and none in its folder', async (t) => {
  const state = await makeState(t);
  const { args } = await startTransit(t, state);
  for (const name of ['first', 'second']) {
    await using standalone = await bootStandalone({ state, args });
    await makePair(standalone, name);
    assert.equal(existsSync(keyFile(state)), false);
  }
});

test('the key in the folder of a site gives way to a transit server’s', async (t) => {
  const state = await makeState(t);
  {
    await using standalone = await bootStandalone({ state });
    await makePair(standalone, 'till');
  }
  const { args } = await startTransit(t, state);
  {
    await using standalone = await bootStandalone({ state, args });
    await rotate(standalone);
  }
  writeFileSync(keyFile(state), '');
  await using again = await bootStandalone({ state, args });
  assert.equal((await again.admin.call<KeyRotation>('GET', '/key-rotation')).left, 0);
  await makePair(again, 'another');
});

test('a CA of the transit server that cannot be read ends standalone with 78 and its name', async (t) => {
  const state = await makeState(t);
  const args = ['--transit-url', 'https://127.0.0.1:1', '--transit-ca-file', join(state, 'none.pem')];
  await assert.rejects(bootStandalone({ state, args }), {
    message: /ended \(code 78\)[^]*CERTSTORE_KEY_INVALID: the setting transitCaFile: .*none\.pem/,
  });
});

test('a file for the key that is empty ends standalone with 78, and no key is made beside the documents', async (t) => {
  const state = await makeState(t);
  const file = join(state, 'empty');
  writeFileSync(file, '');
  await assert.rejects(bootStandalone({ state, args: ['--key-encryption-key-file', file] }), {
    message: /ended \(code 78\)[^]*the setting keyEncryptionKey is given, and has no key in it/,
  });
  assert.equal(existsSync(keyFile(state)), false);
});
