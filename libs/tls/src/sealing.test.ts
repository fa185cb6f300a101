import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import { createAuthority } from './authority.ts';
import { describeCertificate, verifyChain } from './certificate.ts';
import { certificateKey, isSignedText, keyThumbprint, openSealed, sealText, signText } from './sealing.ts';

describe('sealing', () => {
  it('opens with the key of the certificate that it was sealed to, and with no other', async () => {
    const own = await createAuthority({ commonName: 'own' });
    const other = await createAuthority({ commonName: 'other' });
    const sealed = await sealText(certificateKey(own.certificatePem), 'secret');
    assert.equal(await openSealed(own.keyPem, sealed), 'secret');
    await assert.rejects(openSealed(other.keyPem, sealed), { code: 'TLS_SEAL_BROKEN' });
  });

  it('opens with an X25519 key, and not once a character was changed', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('x25519');
    const sealed = await sealText(publicKey.export({ format: 'jwk' }), 'secret');
    assert.equal(await openSealed(privateKey, sealed), 'secret');
    const changed = sealed.slice(0, -2) + (sealed.at(-2) === 'A' ? 'B' : 'A') + sealed.at(-1);
    await assert.rejects(openSealed(privateKey, changed), { code: 'TLS_SEAL_BROKEN' });
  });

  it('knows a signature of a certificate’s key and of a bare key from every other', async () => {
    const own = await createAuthority({ commonName: 'own' });
    const other = await createAuthority({ commonName: 'other' });
    const signature = signText(own.keyPem, 'text');
    assert.equal(isSignedText(own.certificatePem, 'text', signature), true);
    assert.equal(isSignedText(own.certificatePem, 'texts', signature), false);
    assert.equal(isSignedText(other.certificatePem, 'text', signature), false);
    const pair = generateKeyPairSync('ed25519');
    const pem = pair.privateKey.export({ format: 'pem', type: 'pkcs8' });
    assert.equal(isSignedText(pair.publicKey.export({ format: 'jwk' }), 'text', signText(pem, 'text')), true);
  });

  it('takes for the first of several certificates what a chain begins with, whatever else OpenSSL would read before it', async () => {
    const own = await createAuthority({ commonName: 'own' });
    const other = await createAuthority({ commonName: 'other' });
    for (const kind of ['X509 CERTIFICATE', 'TRUSTED CERTIFICATE']) {
      const pem = other.certificatePem.replaceAll('CERTIFICATE', kind) + own.certificatePem;
      assert.equal(verifyChain(pem, { caPem: own.certificatePem }).subject, 'CN=own');
      assert.equal(describeCertificate(pem).subject, 'CN=own');
      assert.deepEqual(certificateKey(pem), certificateKey(own.certificatePem));
      assert.equal(isSignedText(pem, 'text', signText(own.keyPem, 'text')), true);
      assert.equal(isSignedText(pem, 'text', signText(other.keyPem, 'text')), false);
    }
  });

  it('calls a recipient by its key alone', async () => {
    const { publicKey } = generateKeyPairSync('x25519');
    const { kty, crv, x } = publicKey.export({ format: 'jwk' });
    assert.equal(
      await keyThumbprint({ kty: kty!, crv: crv!, x: x! }),
      await keyThumbprint({ x: x!, crv: crv!, kty: kty!, use: 'enc' }),
    );
  });
});
