/**
 * What this node asks of certstore, in the name of its cluster certificate: contents for itself, opened and checked to
 * be certstore's own, and contents for a client, passed on as they are.
 */
import type { Bus } from '@postern/bus';
import type { HeldCertificate, KeptCertificate } from '@postern/kept-certificate';
import {
  Material,
  type MaterialRefusal,
  type SealedMaterial,
  ask,
  getClientMaterial,
  getNodeMaterial,
  materialRequestText,
  materialSignerName,
  materialText,
} from '@postern/contracts';
import {
  certificateKey,
  demandSigner,
  isSignedText,
  keyThumbprint,
  openSealed,
  signText,
  splitChain,
} from '@postern/tls';
import { Compile } from 'typebox/compile';
import { EdgeError, type MaterialCode } from '../errors.ts';

const materialCheck = Compile(Material);

/** A client's question with who the client is. */
export type ClientQuestion = Omit<ReturnType<(typeof getClientMaterial)['checkRequest']>, 'proof'>;

/** Asks certstore. */
export class MaterialDesk {
  readonly #bus: Bus;
  readonly #identity: KeptCertificate;

  constructor(bus: Bus, identity: KeptCertificate) {
    this.#bus = bus;
    this.#identity = identity;
  }

  /** Contents for this node. Rejects when certstore cannot be asked, or the node has no identity yet. */
  async forNode(ids: string[]): Promise<{ items: Material[]; refused: MaterialRefusal[] }> {
    const held = this.#held();
    const { items, refused } = await ask(this.#bus, getNodeMaterial, {
      ids,
      proof: proofOf(held, ids, null),
    });
    return { items: await Promise.all(items.map((item) => openMaterial(item, held))), refused };
  }

  /** Contents for a client, sealed to it. */
  async forClient(
    question: ClientQuestion,
  ): Promise<{ items: SealedMaterial[]; refused: MaterialRefusal[] }> {
    const { ids, clientId } = question;
    return ask(this.#bus, getClientMaterial, { ...question, proof: proofOf(this.#held(), ids, clientId) });
  }

  #held(): HeldCertificate {
    const held = this.#identity.current;
    if (held !== null) return held;
    throw new EdgeError('EDGE_IDENTITY_MISSING', 'this node has no cluster certificate from certstore yet');
  }
}

function proofOf({ chainPem, keyPem }: HeldCertificate, ids: readonly string[], clientId: string | null) {
  return { certificatePem: chainPem, signature: signText(keyPem, materialRequestText(ids, clientId)) };
}

async function openMaterial(
  item: SealedMaterial,
  { chainPem, keyPem, caPem }: HeldCertificate,
): Promise<Material> {
  const [signerPem = ''] = splitChain(item.signerPem);
  demandSigner(signerPem, { caPem, name: materialSignerName });
  const text = materialText(await keyThumbprint(certificateKey(chainPem)), item);
  if (!isSignedText(signerPem, text, item.signature)) throw broken('it is not signed by certstore');
  const material: unknown = JSON.parse(await openSealed(keyPem, item.sealed));
  if (!materialCheck.Check(material) || material.id !== item.id || material.revision !== item.revision) {
    throw broken('it is not what it says');
  }
  return material;
}

function broken(why: string): EdgeError<MaterialCode> {
  return new EdgeError('EDGE_MATERIAL_BROKEN', `the contents of a certificate were not taken: ${why}`);
}
