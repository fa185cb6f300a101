import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { beforeEach, describe, it } from 'node:test';
import {
  type CertificateReference,
  type Control,
  type Material,
  type SealedMaterial,
  materialSignerName,
  materialText,
  platformCaName,
} from '@postern/contracts';
import { silentLogger } from '@postern/telemetry';
import { until } from '@postern/test-kit';
import { createAuthority, createSigningRequest, generateKey, loadAuthority } from '@postern/tls';
import { keyThumbprint, sealText, signText } from '@postern/tls/sealing';
import { Certificates } from './certificates.ts';
import type { Identity } from '../platform/identity.ts';
import { MaterialTrust } from '../platform/material-trust.ts';
import { SealingKey } from '../platform/sealing-key.ts';

interface Signer {
  keyPem: string;
  signerPem: string;
  caPem: string;
}

async function makeSigner(
  commonName: string = platformCaName,
  name: string = materialSignerName,
): Promise<Signer> {
  const ca = loadAuthority(await createAuthority({ commonName }));
  const keyPem = await generateKey();
  const csrPem = await createSigningRequest({ keyPem, commonName: name });
  const notAfter = new Date(Date.now() + 3_600_000);
  const certificatePem = await ca.issue({ csrPem, names: [name], usage: 'client', notAfter });
  return { keyPem, signerPem: certificatePem + ca.certificatePem, caPem: ca.certificatePem };
}

function makeIdentity(): Identity {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const { x = '' } = publicKey.export({ format: 'jwk' });
  return {
    publicKey: { kty: 'OKP', crv: 'Ed25519', x },
    thumbprint: '',
    bootId: 'boot-one',
    file: null,
    fault: null,
    sign: (text) => sign(null, Buffer.from(text), privateKey).toString('base64url'),
    close: () => {},
  };
}

async function sealed(signer: Signer, sealing: SealingKey, material: Material): Promise<SealedMaterial> {
  const { id, revision } = material;
  const text = await sealText(sealing.publicKey, JSON.stringify(material));
  const signature = signText(
    signer.keyPem,
    materialText(await keyThumbprint(sealing.publicKey), { id, revision, sealed: text }),
  );
  return { id, revision, sealed: text, signature, signerPem: signer.signerPem };
}

function materialOf(id: string, revision = 1): Material {
  return {
    id,
    revision,
    chainPem: `chain ${id} ${revision}`,
    keyPem: 'key',
    fingerprint: 'f',
    notAfter: 'later',
  };
}

describe('the certificates of a client', () => {
  const tunnel = {};
  let signer: Signer;
  let sealing: SealingKey;
  let certificates: Certificates;
  let asked: string[][];

  beforeEach(async () => {
    signer ??= await makeSigner();
    sealing = new SealingKey(makeIdentity());
    certificates = make(new MaterialTrust({ pem: signer.caPem }));
  });

  function make(trust: MaterialTrust): Certificates {
    // Its own: what an earlier test's asks again later is not of this one.
    const own: string[][] = [];
    asked = own;
    const send = (control: Control): boolean => {
      if (control.kind === 'materialWanted') own.push(control.ids);
      return true;
    };
    return new Certificates({ sealing, trust, logger: silentLogger, clientId: () => 'g1_c', send });
  }

  async function give(material: Material, by: Signer = signer): Promise<void> {
    certificates.handleControl(tunnel, { kind: 'material', ...(await sealed(by, sealing, material)) });
  }

  const need = (items: CertificateReference[], whole = true): boolean =>
    certificates.handleControl(tunnel, { kind: 'certificates', items, whole });

  it('are asked for when a node names them, eight at a time, and at hand from then on', async () => {
    need(Array.from({ length: 10 }, (_, index) => ({ id: `c${index}`, revision: 1 })));
    assert.deepEqual(
      asked.map((ids) => ids.length),
      [8, 2],
    );
    const waiting = certificates.material([{ id: 'c0', revision: 1 }]);
    await give(materialOf('c0'));
    assert.deepEqual(await waiting, [materialOf('c0')]);
    assert.deepEqual(await certificates.material([{ id: 'c0', revision: 1 }]), [materialOf('c0')]);
  });

  it('are fetched for a stream that names others, in the order in which it names them', async () => {
    const waiting = certificates.material([
      { id: 'c2', revision: 1 },
      { id: 'c1', revision: 3 },
    ]);
    assert.deepEqual(asked, [['c2', 'c1']]);
    await give(materialOf('c1', 3));
    await give(materialOf('c2', 1));
    assert.deepEqual(
      (await waiting).map(({ id, revision }) => [id, revision]),
      [
        ['c2', 1],
        ['c1', 3],
      ],
    );
  });

  it('that the platform refuses end the wait with its reason', async () => {
    const waiting = certificates.material([{ id: 'c1', revision: 1 }]);
    certificates.handleControl(tunnel, {
      kind: 'materialRefused',
      id: 'c1',
      code: 'CERTSTORE_NOT_NEEDED',
      message: 'no',
    });
    await assert.rejects(waiting, {
      code: 'CLIENT_CERTIFICATE_MISSING',
      message: /CERTSTORE_NOT_NEEDED: no/,
    });
  });

  it('that do not come end the wait at its deadline', async () => {
    const keepAlive = setInterval(() => {}, 1_000);
    await assert.rejects(certificates.material([{ id: 'c1', revision: 1 }], 20), {
      code: 'CLIENT_CERTIFICATE_MISSING',
    });
    clearInterval(keepAlive);
  });

  it('serve on in the older version when the newer does not come', async () => {
    need([{ id: 'c1', revision: 1 }]);
    const first = certificates.material([{ id: 'c1', revision: 1 }]);
    await give(materialOf('c1', 1));
    await first;
    const keepAlive = setInterval(() => {}, 1_000);
    const [held] = await certificates.material([{ id: 'c1', revision: 2 }], 20);
    clearInterval(keepAlive);
    assert.equal(held?.revision, 1);
  });

  it('are those of a backup that certstore was restored from, though nodes name lower revisions, and newer ones since', async () => {
    need([{ id: 'c1', revision: 5 }]);
    const first = certificates.material([{ id: 'c1', revision: 5 }]);
    await give(materialOf('c1', 5));
    await first;
    for (const revision of [2, 3]) {
      need([{ id: 'c1', revision }]);
      assert.equal(asked.length, revision);
      await give(materialOf('c1', revision));
      await until(
        () => certificates.material([{ id: 'c1', revision: 1 }]),
        ([held]) => held?.revision === revision,
      );
    }
  });

  it('are dropped when no node names them any more, but not when the last tunnel is lost', async () => {
    need([{ id: 'c1', revision: 1 }]);
    const first = certificates.material([{ id: 'c1', revision: 1 }]);
    await give(materialOf('c1'));
    await first;
    certificates.forgetTunnel(tunnel);
    assert.equal(certificates.size, 1);
    need([]);
    assert.equal(certificates.size, 0);
  });

  it('that come when no destination names them any more are not kept, unless a stream waits for them', async () => {
    need([
      { id: 'c1', revision: 1 },
      { id: 'c2', revision: 1 },
    ]);
    need([]);
    const waiting = certificates.material([{ id: 'c2', revision: 1 }]);
    await give(materialOf('c1'));
    await give(materialOf('c2'));
    assert.deepEqual(await waiting, [materialOf('c2')]);
    assert.equal(certificates.size, 1);
  });

  it('are not dropped while a node has more than it can name', async () => {
    need([{ id: 'c1', revision: 1 }]);
    const first = certificates.material([{ id: 'c1', revision: 1 }]);
    await give(materialOf('c1'));
    await first;
    need([], false);
    assert.equal(certificates.size, 1);
  });

  it('are not taken from a signer of another CA, under another name, or for another recipient', async () => {
    const forgers = [
      await makeSigner(),
      await makeSigner('Other CA'),
      await makeSigner(platformCaName, 'edge-1.example'),
    ];
    const keepAlive = setInterval(() => {}, 1_000);
    for (const forger of forgers) {
      const waiting = assert.rejects(certificates.material([{ id: 'c1', revision: 1 }], 200), {
        code: 'CLIENT_CERTIFICATE_MISSING',
      });
      await give(materialOf('c1'), forger);
      await waiting;
    }
    clearInterval(keepAlive);
    const other = new SealingKey(makeIdentity());
    const trust = new MaterialTrust({ pem: signer.caPem });
    const item = await sealed(signer, other, materialOf('c1'));
    assert.throws(() => trust.check(item, 'somebody else'), { code: 'CLIENT_MATERIAL_BROKEN' });
    trust.check(item, await other.thumbprint());
  });

  it('come from the first platform CA that is seen, where the client was given another CA to believe', async () => {
    const trust = new MaterialTrust({
      pem: (await createAuthority({ commonName: 'Public CA' })).certificatePem,
    });
    const recipient = await sealing.thumbprint();
    trust.check(await sealed(signer, sealing, materialOf('c1')), recipient);
    const other = await makeSigner();
    const forged = await sealed(other, sealing, materialOf('c1'));
    assert.throws(() => trust.check(forged, recipient), { code: 'CLIENT_MATERIAL_BROKEN' });
  });

  it('that nobody asked for are not taken', async () => {
    await give(materialOf('c1'));
    need([{ id: 'c1', revision: 1 }]);
    assert.equal(certificates.size, 0);
    assert.deepEqual(asked, [['c1']]);
  });
});
