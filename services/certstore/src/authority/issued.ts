/**
 * The list of what was signed: who holds it, for which names, until when. Written before the certificate is handed
 * out, so nothing is in use that is not in it. What has ended is swept, and beyond its bound the oldest goes.
 */
import type { CertificateHolder } from '@postern/contracts';
import { every, newId, type Collection, type Store, type StoredDocument } from '@postern/store';
import type { CertificateDescription } from '@postern/tls';
import type { AuthorityName } from './authority.ts';

/** One certificate. */
export interface IssuedDocument extends StoredDocument {
  authority: AuthorityName;
  holder: CertificateHolder;
  names: string[];
  addresses: string[];
  serial: string;
  fingerprint: string;
  notBefore: string;
  notAfter: string;
}

/** Keeps the list. */
export class IssuedList {
  readonly #documents: Collection<IssuedDocument>;
  readonly #itemsMax: number;

  private constructor(documents: Collection<IssuedDocument>, itemsMax: number) {
    this.#documents = documents;
    this.#itemsMax = itemsMax;
  }

  /** Opens the collection. */
  static async open(store: Store, itemsMax: number): Promise<IssuedList> {
    const documents = await store.collection<IssuedDocument>('certstore_issued', {
      unique: [['fingerprint']],
    });
    return new IssuedList(documents, itemsMax);
  }

  async add(
    authority: AuthorityName,
    holder: CertificateHolder,
    certificate: CertificateDescription,
  ): Promise<void> {
    await this.#documents.insert({
      id: newId(),
      revision: 1,
      authority,
      holder,
      names: [...certificate.names],
      addresses: [...certificate.addresses],
      serial: certificate.serial,
      fingerprint: certificate.fingerprint,
      notBefore: certificate.notBefore.toISOString(),
      notAfter: certificate.notAfter.toISOString(),
    });
  }

  /** The names of certificates of the platform's CA that are good for this name or address too. */
  async namesBeside(host: string): Promise<string[]> {
    const names = new Set<string>();
    for await (const document of every(this.#documents)) {
      if (document.authority !== 'platform') continue;
      if ([...document.names, ...document.addresses].includes(host))
        for (const name of document.names) names.add(name);
    }
    return [...names];
  }

  /** Removes what ended before `now`, then of the rest the oldest beyond the bound. Resolves with how many are left. */
  async sweep(now: Date): Promise<number> {
    await this.#deleteWhere((document) => Date.parse(document.notAfter) < now.getTime());
    let excess = (await this.#documents.count()) - this.#itemsMax;
    if (excess > 0) await this.#deleteWhere(() => excess-- > 0);
    return this.#documents.count();
  }

  async #deleteWhere(isOver: (document: IssuedDocument) => boolean): Promise<void> {
    for await (const document of every(this.#documents))
      if (isOver(document)) await this.#documents.delete(document.id);
  }
}
