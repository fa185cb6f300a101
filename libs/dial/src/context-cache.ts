/**
 * TLS contexts, kept for as long as the certificates that they were made of: reading a key and a bundle of CAs again at
 * each connection would cost more than the handshake. When whoever holds the certificates lets them go, their contexts
 * go too.
 */
import type { SecureContext } from 'node:tls';
import type { TlsMaterial } from './material.ts';

const contextsPerMaterialMax = 32;

/** See the head of this file. */
export class ContextCache {
  readonly #byMaterial = new WeakMap<TlsMaterial, Map<string, SecureContext>>();
  /** For destinations without certificates of their own. */
  #usual: SecureContext | null = null;

  /** The context of these certificates, made by `make` when there is none. */
  get(
    client: TlsMaterial | null,
    authorities: readonly TlsMaterial[],
    make: () => SecureContext,
  ): SecureContext {
    const owner = client ?? authorities[0];
    if (owner === undefined) return (this.#usual ??= make());
    const own = this.#byMaterial.get(owner) ?? new Map<string, SecureContext>();
    this.#byMaterial.set(owner, own);
    const names = [client, ...authorities].map((one) => (one === null ? '-' : `${one.id}@${one.revision}`));
    const key = names.join(' ');
    const known = own.get(key);
    if (known !== undefined) return known;
    if (own.size >= contextsPerMaterialMax) own.clear();
    const made = make();
    own.set(key, made);
    return made;
  }
}
