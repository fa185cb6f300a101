import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { openSecret, sealSecret } from './envelope.ts';
import { KeyRing } from './key-ring.ts';
import { localKeyWrapper } from './key-wrapper.ts';

const wrapper = localKeyWrapper(randomBytes(32).toString('base64'));
const place = { collection: 'certstore_authorities', id: 'platform', version: 1 };
const secret = Buffer.from('a private key');

const code = (expected: string) => (error: unknown) =>
  error instanceof Error && 'code' in error && error.code === expected;

describe('envelope', () => {
  it('gives back what was sealed', async () => {
    const envelope = await sealSecret(wrapper, place, secret);
    assert.deepEqual(await openSecret(wrapper, place, envelope), secret);
  });

  it('never shows the secret, and seals the same secret differently each time', async () => {
    const [first, second] = [
      await sealSecret(wrapper, place, secret),
      await sealSecret(wrapper, place, secret),
    ];
    assert.notEqual(first, second);
    assert.equal(Buffer.from(first, 'base64').includes(secret), false);
  });

  it('does not open when any one byte was changed', async () => {
    const bytes = Buffer.from(await sealSecret(wrapper, place, secret), 'base64');
    for (let at = 0; at < bytes.length; at += 1) {
      for (const flip of [0x01, 0x80]) {
        const tampered = Buffer.from(bytes);
        tampered[at] = tampered[at]! ^ flip;
        await assert.rejects(
          openSecret(wrapper, place, tampered.toString('base64')),
          /CERTSTORE|secret/,
          `byte ${at}`,
        );
      }
    }
  });

  it('does not open when it was cut or prolonged anywhere', async () => {
    const bytes = Buffer.from(await sealSecret(wrapper, place, secret), 'base64');
    for (let length = 0; length < bytes.length; length += 1) {
      await assert.rejects(openSecret(wrapper, place, bytes.subarray(0, length).toString('base64')));
    }
    await assert.rejects(openSecret(wrapper, place, Buffer.concat([bytes, bytes]).toString('base64')));
  });

  it('takes only the text that it wrote, though others decode to the same bytes', async () => {
    const envelope = await sealSecret(wrapper, place, secret);
    await assert.rejects(openSecret(wrapper, place, ` ${envelope}`), code('CERTSTORE_SECRET_DAMAGED'));
    await assert.rejects(openSecret(wrapper, place, `${envelope}=`), code('CERTSTORE_SECRET_DAMAGED'));
  });

  it('does not open in another collection, under another ID or at another version', async () => {
    const envelope = await sealSecret(wrapper, place, secret);
    for (const elsewhere of [
      { ...place, collection: 'certstore_certificates' },
      { ...place, id: 'cluster' },
      { ...place, version: 2 },
      { collection: 'certstore_authoritiesp', id: 'latform', version: 1 },
    ]) {
      await assert.rejects(openSecret(wrapper, elsewhere, envelope), code('CERTSTORE_SECRET_DAMAGED'));
    }
  });

  it('opens neither of two documents whose envelopes were swapped', async () => {
    const other = { ...place, id: 'cluster' };
    const [here, there] = [
      await sealSecret(wrapper, place, secret),
      await sealSecret(wrapper, other, secret),
    ];
    await assert.rejects(openSecret(wrapper, place, there), code('CERTSTORE_SECRET_DAMAGED'));
    await assert.rejects(openSecret(wrapper, other, here), code('CERTSTORE_SECRET_DAMAGED'));
  });

  it('says so when another key-encryption key sealed it', async () => {
    const stranger = localKeyWrapper(randomBytes(32).toString('base64'));
    const envelope = await sealSecret(stranger, place, secret);
    await assert.rejects(openSecret(wrapper, place, envelope), code('CERTSTORE_KEY_WRONG'));
  });

  it('is told of by the ID of its key, unless that was made to look like something else', async () => {
    const ring = await KeyRing.open(async () => [wrapper]);
    for (const [keyId, shown] of [
      ['local:1a2b', /the key-encryption key local:1a2b, and/],
      ['a\n\u001b[2J', /the key-encryption key of an unknown name, and/],
      ['x'.repeat(129), /the key-encryption key of an unknown name, and/],
    ] as const)
      await assert.rejects(ring.unwrap(keyId, secret, secret), {
        code: 'CERTSTORE_KEY_WRONG',
        message: shown,
      });
  });
});

describe('key-encryption key', () => {
  it('is refused plainly when it is not 32 bytes, and never shown', () => {
    const short = randomBytes(31).toString('base64');
    assert.throws(
      () => localKeyWrapper(short),
      (error: Error) => /32 bytes.*it has 31/.test(error.message) && !error.message.includes(short),
    );
    assert.throws(() => localKeyWrapper(randomBytes(33).toString('base64')), /it has 33/);
    assert.throws(() => localKeyWrapper(''), /it has 0/);
  });

  it('is refused when it is not base64', () => {
    assert.throws(() => localKeyWrapper('not base64 at all, but 44 characters long!!!'), /it is not base64/);
    assert.throws(() => localKeyWrapper(randomBytes(32).toString('hex')), /it has 48/);
  });

  it('may end with a line break, as files do', () => {
    const key = randomBytes(32).toString('base64');
    assert.equal(localKeyWrapper(`${key}\n`).keyId, localKeyWrapper(key).keyId);
  });
});
