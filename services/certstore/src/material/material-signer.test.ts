import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import type { Material, SealedMaterial } from '@postern/contracts';
import { createAuthority, demandSigner, loadAuthority } from '@postern/tls';
import type { Authorities, LoadedAuthority } from '../authority/authority.ts';
import { MaterialSigner } from './material-signer.ts';

const dayMs = 86_400_000;
const material: Material = {
  id: 'c1',
  revision: 1,
  chainPem: '',
  keyPem: null,
  fingerprint: '',
  notAfter: '',
};
const key = generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' }) as {
  kty: 'OKP';
  crv: 'X25519';
  x: string;
};

test('a certstore that runs for long signs with a key whose certificate is always valid, and one that fails once goes on', async (t) => {
  const ca = await createAuthority({ commonName: 'CA' });
  const { certificatePem } = ca;
  const loaded = loadAuthority(ca);
  let failures = 1;
  const signer = {
    ...loaded,
    issue: async (...request: Parameters<typeof loaded.issue>) => {
      if ((failures -= 1) >= 0) throw new Error('not now');
      return loaded.issue(...request);
    },
  };
  const authority = { signer, certificatePem } as unknown as LoadedAuthority;
  const made = new MaterialSigner({ platform: authority, cluster: authority } satisfies Authorities);
  const seal = (): Promise<SealedMaterial> => made.seal('cluster', key, material);
  const start = Date.now();
  t.mock.timers.enable({ apis: ['Date'], now: start });
  await assert.rejects(seal(), /not now/);
  const signers = new Set<string>();
  for (let day = 0; day <= 30; day += 1) {
    t.mock.timers.setTime(start + day * dayMs);
    const { signerPem } = await seal();
    demandSigner(signerPem, { caPem: certificatePem, at: new Date() });
    demandSigner(signerPem, { caPem: certificatePem, at: new Date(Date.now() + 3 * dayMs) });
    signers.add(signerPem);
  }
  assert(signers.size > 1 && signers.size < 12, String(signers.size));
});
