import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createPublicKey, verify } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, describe, it } from 'node:test';
import { openIdentity } from './identity.ts';

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'postern-identity-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

describe('identity', () => {
  it('keeps its key over a restart, and has another boot ID', (t) => {
    const folder = join(folderOf(t), 'deep', 'state');
    const first = openIdentity(folder);
    first.close();
    const second = openIdentity(folder);
    second.close();
    assert.equal(second.thumbprint, first.thumbprint);
    assert.notEqual(second.bootId, first.bootId);
  });

  it('keeps the key in a file that only its owner may read', (t) => {
    const identity = openIdentity(folderOf(t));
    identity.close();
    assert(identity.file !== null);
    assert.equal(statSync(identity.file).mode & 0o777, 0o600);
    assert.match(readFileSync(identity.file, 'utf8'), /BEGIN PRIVATE KEY/);
  });

  it('signs what the public key verifies', (t) => {
    const identity = openIdentity(folderOf(t));
    identity.close();
    const key = createPublicKey({ format: 'jwk', key: { ...identity.publicKey } });
    assert(verify(null, Buffer.from('hello'), key, Buffer.from(identity.sign('hello'), 'base64url')));
  });

  it('gives two clients of one folder two keys, and frees a slot on close', (t) => {
    const folder = folderOf(t);
    const first = openIdentity(folder);
    const second = openIdentity(folder);
    assert.notEqual(second.thumbprint, first.thumbprint);
    first.close();
    const third = openIdentity(folder);
    assert.equal(third.thumbprint, first.thumbprint);
    second.close();
    third.close();
  });

  it('frees the slot of a process that was killed', async (t) => {
    const folder = folderOf(t);
    const other = spawnHolder(folder);
    const [line] = (await once(other.stdout ?? assert.fail(), 'data')) as [Buffer];
    const here = openIdentity(folder);
    assert.notEqual(here.thumbprint, line.toString().trim());
    other.kill('SIGKILL');
    await once(other, 'exit');
    const again = openIdentity(folder);
    assert.equal(again.thumbprint, line.toString().trim());
    here.close();
    again.close();
  });

  it('lives in memory, and says why, when the folder cannot be used', (t) => {
    const file = join(folderOf(t), 'file');
    writeFileSync(file, '');
    const identity = openIdentity(file);
    assert.equal(identity.file, null);
    assert(identity.fault instanceof Error);
  });

  it('never writes over a key that it cannot read', (t) => {
    const folder = folderOf(t);
    writeFileSync(join(folder, 'identity-1.pem'), 'not a key');
    assert.equal(openIdentity(folder).file, null);
    assert.equal(readFileSync(join(folder, 'identity-1.pem'), 'utf8'), 'not a key');
  });

  it('reads no more of its key than a key may be', (t) => {
    const folder = folderOf(t);
    symlinkSync('/dev/zero', join(folder, 'identity-1.pem'));
    const { file, fault } = openIdentity(folder);
    assert.equal(file, null);
    assert.match(String(fault), /longer than 65536 bytes/);
  });
});

function spawnHolder(folder: string): ChildProcess {
  const script = `
    const { openIdentity } = await import(${JSON.stringify(new URL('identity.ts', import.meta.url).href)});
    globalThis.identity = openIdentity(${JSON.stringify(folder)});
    console.log(identity.thumbprint);
    setInterval(() => {}, 1000);`;
  return spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}
