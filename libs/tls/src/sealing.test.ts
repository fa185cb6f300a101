import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import { CompactEncrypt, type JWK, importJWK } from 'jose';
import { createAuthority, loadAuthority } from './authority.ts';
import { describeCertificate } from './certificate.ts';
import { generateKey } from './key.ts';
import { createSigningRequest } from './request.ts';
import {
  certificateKey,
  demandSigner,
  isSignedText,
  keyThumbprint,
  openSealed,
  sealText,
  signText,
} from './sealing.ts';

const dayMs = 86_400_000;

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

  it('opens nothing that was sealed in another way than ours', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('x25519');
    const key = await importJWK(publicKey.export({ format: 'jwk' }) as JWK, 'ECDH-ES');
    for (const header of [
      { alg: 'ECDH-ES', enc: 'A128CBC-HS256' },
      { alg: 'ECDH-ES+A256KW', enc: 'A256GCM' },
    ]) {
      const sealed = await new CompactEncrypt(Buffer.from('x')).setProtectedHeader(header).encrypt(key);
      await assert.rejects(
        openSealed(privateKey, sealed),
        { code: 'TLS_SEAL_BROKEN' },
        JSON.stringify(header),
      );
    }
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
      assert.equal(describeCertificate(pem).subject, 'CN=own');
      assert.deepEqual(certificateKey(pem), certificateKey(own.certificatePem));
      assert.equal(isSignedText(pem, 'text', signText(own.keyPem, 'text')), true);
      assert.equal(isSignedText(pem, 'text', signText(other.keyPem, 'text')), false);
    }
  });

  it('takes a signer for what a CA that is believed here signed itself, for that name and for now', async () => {
    const own = await createAuthority({ commonName: 'CA' });
    const other = await createAuthority({ commonName: 'CA' });
    const csrPem = await createSigningRequest({ keyPem: await generateKey(), commonName: 'x' });
    const issued = (by: typeof own, fromMs = -dayMs, toMs = dayMs) =>
      loadAuthority(by).issue({
        csrPem,
        names: ['signer.example'],
        usage: 'client',
        notBefore: new Date(Date.now() + fromMs),
        notAfter: new Date(Date.now() + toMs),
      });
    const believed = { caPem: other.certificatePem + own.certificatePem, name: 'signer.example' };
    const signer = await issued(own);
    demandSigner(signer, believed);
    demandSigner(signer, { caPem: own.certificatePem, at: new Date(Date.now() + dayMs / 2) });

    const bySubject = await loadAuthority(own).issue({
      csrPem,
      commonName: 'signer.example',
      usage: 'client',
      notAfter: new Date(Date.now() + dayMs),
    });
    assert.throws(() => demandSigner(bySubject, believed), { code: 'TLS_NAME_MISMATCH' });

    const unknown = { code: 'TLS_ISSUER_UNKNOWN' };
    const stranger = (await issued(await createAuthority({ commonName: 'CA' }))).replaceAll(
      ' CERT',
      ' X509 CERT',
    );
    demandSigner(stranger + signer, believed);
    assert.throws(() =>
      demandSigner(signer.replaceAll(' CERT', ' X509 CERT') + other.certificatePem, believed),
    );
    const der = Buffer.from(signer.replaceAll(/-----.*-----/g, ''), 'base64');
    der.writeUInt8(der.readUInt8(der.length - 1) ^ 1, der.length - 1);
    const forged = `-----BEGIN CERTIFICATE-----\n${der.toString('base64')}\n-----END CERTIFICATE-----\n`;
    assert.throws(() => demandSigner(forged, believed), unknown);
    assert.throws(() => demandSigner(signer, { ...believed, caPem: other.certificatePem }), unknown);
    assert.throws(() => demandSigner(signer, { ...believed, caPem: signer }), unknown);
    assert.throws(() => demandSigner(signer, { ...believed, name: 'other.example' }), {
      code: 'TLS_NAME_MISMATCH',
    });
    for (const late of [await issued(own, -2 * dayMs, -dayMs), await issued(own, dayMs, 2 * dayMs)])
      assert.throws(() => demandSigner(late, believed), { code: 'TLS_EXPIRED' });
    const at = new Date(Date.now() + 2 * dayMs);
    assert.throws(() => demandSigner(signer, { ...believed, at }), { code: 'TLS_EXPIRED' });
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
