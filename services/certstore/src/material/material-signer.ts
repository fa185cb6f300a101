/**
 * The key with which this certstore signs contents that it gives out. Made at each start, never stored, and certified
 * by the CA that the recipient trusts: the cluster's for nodes, the platform's for clients. Its name is given to nobody
 * else, so no node can put contents of its own in the place of certstore's.
 */
import { type SealedMaterial, type Material, materialSignerName, materialText } from '@postern/contracts';
import { createSigningRequest, generateKey, keyThumbprint, sealText, signText } from '@postern/tls';
import type { Authorities, AuthorityName } from '../authority/authority.ts';

const lifeMs = 7 * 86_400_000;

interface Signer {
  keyPem: string;
  certificatePem: string;
  renewAt: number;
}

/** Signs and seals. */
export class MaterialSigner {
  readonly #authorities: Authorities;
  readonly #signers = new Map<AuthorityName, Promise<Signer>>();

  constructor(authorities: Authorities) {
    this.#authorities = authorities;
  }

  /** Contents for the holder of this key, who trusts that CA. */
  async seal(
    authority: AuthorityName,
    key: Parameters<typeof sealText>[0],
    material: Material,
  ): Promise<SealedMaterial> {
    const { keyPem, certificatePem } = await this.#signer(authority);
    const sealed = await sealText(key, JSON.stringify(material));
    const { id, revision } = material;
    const text = materialText(await keyThumbprint(key), { id, revision, sealed });
    return {
      id,
      revision,
      sealed,
      signature: signText(keyPem, text),
      signerPem: certificatePem + this.#authorities[authority].certificatePem,
    };
  }

  async #signer(authority: AuthorityName): Promise<Signer> {
    // One that could not be made is made anew.
    const held = await this.#signers.get(authority)?.catch(() => undefined);
    if (held !== undefined && Date.now() < held.renewAt) return held;
    const made = this.#make(authority);
    this.#signers.set(authority, made);
    return made;
  }

  async #make(authority: AuthorityName): Promise<Signer> {
    const keyPem = await generateKey();
    const csrPem = await createSigningRequest({ keyPem, commonName: materialSignerName });
    const certificatePem = await this.#authorities[authority].signer.issue({
      csrPem,
      names: [materialSignerName],
      usage: 'client',
      notAfter: new Date(Date.now() + lifeMs),
    });
    return { keyPem, certificatePem, renewAt: Date.now() + lifeMs / 2 };
  }
}
