import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { memoryBus } from '@postern/bus';
import {
  type Material,
  type SealedMaterial,
  answer,
  getNodeMaterial,
  materialSignerName,
  materialText,
} from '@postern/contracts';
import type { KeptCertificate } from '@postern/kept-certificate';
import { certificateKey, keyThumbprint, sealText, signText } from '@postern/tls';
import { TestAuthority } from '../fixture/authority.ts';
import { MaterialDesk } from './material-desk.ts';

type Pair = Awaited<ReturnType<TestAuthority['issue']>>;

const material: Material = {
  id: 'c1',
  revision: 2,
  chainPem: 'chain',
  keyPem: 'key',
  fingerprint: 'f',
  notAfter: '2030-01-01',
};
let cluster: TestAuthority;
let other: TestAuthority;
let own: Pair;
let signer: Pair;

before(async () => {
  [cluster, other] = await Promise.all([TestAuthority.make('Cluster CA'), TestAuthority.make('Cluster CA')]);
  own = await cluster.issue({ names: ['edge-1.node.postern.internal'], usage: 'both' });
  signer = await cluster.issue({ names: [materialSignerName] });
});
after(() => {
  for (const authority of [cluster, other]) authority.remove();
});

/** Contents as certstore gives them to this node, but for what is given otherwise. */
async function sealed({ by = signer, to = own, holds = material } = {}): Promise<SealedMaterial> {
  const key = certificateKey(to.certPem);
  const item = { id: 'c1', revision: 2, sealed: await sealText(key, JSON.stringify(holds)) };
  const signature = signText(by.keyPem, materialText(await keyThumbprint(key), item));
  return { ...item, signature, signerPem: by.certPem };
}

/** What the node makes of it. */
async function taken(item: SealedMaterial): Promise<Material[]> {
  const bus = memoryBus();
  answer(bus, getNodeMaterial, () => ({ items: [item], refused: [] }));
  const current = { chainPem: own.certPem, keyPem: own.keyPem, caPem: cluster.caPem };
  const desk = new MaterialDesk(bus, { current } as unknown as KeptCertificate);
  try {
    return (await desk.forNode(['c1'])).items;
  } finally {
    await bus.close();
  }
}

test('a node takes contents that certstore signed for it', async () => {
  assert.deepEqual(await taken(await sealed()), [material]);
});

test('a node takes no contents of another node, of another CA, for another node, or that are not what they say', async () => {
  const node = await cluster.issue({ names: ['edge-2.node.postern.internal'], usage: 'both' });
  await assert.rejects(taken(await sealed({ by: node })), { code: 'TLS_NAME_MISMATCH' });
  const stranger = await other.issue({ names: [materialSignerName] });
  await assert.rejects(taken(await sealed({ by: stranger })), { code: 'TLS_ISSUER_UNKNOWN' });
  const broken = { code: 'EDGE_MATERIAL_BROKEN' };
  await assert.rejects(taken({ ...(await sealed({ by: node })), signerPem: signer.certPem }), broken);
  await assert.rejects(taken(await sealed({ to: node })), broken);
  await assert.rejects(taken({ ...(await sealed()), revision: 3 }), broken);
  for (const change of [{ id: 'c2' }, { revision: 1 }, { keyPem: 7 as unknown as string }])
    await assert.rejects(taken(await sealed({ holds: { ...material, ...change } })), broken);
});
