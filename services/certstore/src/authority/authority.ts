/**
 * The platform's two CAs. Each is made once: whoever inserts its document first has made it, and every other replica
 * takes that one and throws its own away; none while its clock is not the database's, since a CA stays. The private key is in
 * the document as an envelope and, once loaded, in this process as a key that cannot be exported; it goes nowhere else.
 *
 *   platform   what clients, browsers and the CLI verify: server certificates of edges and of admin
 *   cluster    identities of nodes and services among themselves, and nothing else
 *
 * Client pairs that operators have generated come from further CAs, one for each gateway.
 */
import { platformCaName } from '@postern/contracts';
import { demandClock, every, type Collection, type Store, type StoredDocument } from '@postern/store';
import { createAuthority, describeCertificate, loadAuthority, type Authority } from '@postern/tls';
import { openSecret, sealSecret, type SecretPlace } from '../secret/envelope.ts';
import type { KeyWrapper } from '../secret/key-wrapper.ts';

/** Which of the two. */
export type AuthorityName = 'platform' | 'cluster';

/** A CA that is ready to sign. */
export interface LoadedAuthority {
  readonly name: string;
  readonly signer: Authority;
  readonly certificatePem: string;
  /** SHA-256 of its certificate, hexadecimal, lower case. */
  readonly fingerprint: string;
  readonly notAfter: Date;
}

/** Both. */
export type Authorities = Readonly<Record<AuthorityName, LoadedAuthority>>;

interface AuthorityDocument extends StoredDocument {
  certificatePem: string;
  /** The private key as an envelope. */
  sealedKey: string;
  /** How often the key was replaced, plus one. */
  keyVersion: number;
  createdAt: string;
}

/** The collection that the CAs are in; part of what their envelopes are bound to. */
export const authorityCollection = 'certstore_authorities';
const commonNames: Readonly<Record<AuthorityName, string>> = {
  platform: platformCaName,
  cluster: 'Postern cluster CA',
};

const gatewayPrefix = 'gateway_';

/** The CAs of client pairs: one for each gateway, made when the first pair is, and one for pairs of no gateway. */
export function clientAuthorities(
  store: Store,
  wrapper: KeyWrapper,
): (gatewayId: string | null) => Promise<LoadedAuthority> {
  return async (gatewayId) => {
    const documents = await store.collection<AuthorityDocument>(authorityCollection);
    const whose = gatewayId === null ? 'clients' : `gateway ${gatewayId}`;
    return openAuthority(
      gatewayId === null ? 'clients' : `${gatewayPrefix}${gatewayId}`,
      `Postern CA of ${whose}`,
      { store, documents, wrapper },
    );
  };
}

/** Drops the CAs of gateways that were deleted: they sign nothing any more. */
export async function dropClientAuthorities(
  store: Store,
  wasDeleted: (gatewayId: string) => Promise<boolean>,
): Promise<void> {
  const documents = await store.collection<AuthorityDocument>(authorityCollection);
  for await (const { id } of every(documents)) {
    if (!id.startsWith(gatewayPrefix)) continue;
    if (await wasDeleted(id.slice(gatewayPrefix.length))) await documents.delete(id);
  }
}

/** Where CAs are kept. */
interface Where {
  store: Store;
  documents: Collection<AuthorityDocument>;
  wrapper: KeyWrapper;
}

/** Loads both CAs, and makes those that there are not. */
export async function openAuthorities(store: Store, wrapper: KeyWrapper): Promise<Authorities> {
  const documents = await store.collection<AuthorityDocument>(authorityCollection);
  const where = { store, documents, wrapper };
  return {
    platform: await openAuthority('platform', commonNames.platform, where),
    cluster: await openAuthority('cluster', commonNames.cluster, where),
  };
}

async function openAuthority(name: string, commonName: string, where: Where): Promise<LoadedAuthority> {
  const { documents, wrapper } = where;
  const document = (await documents.get(name)) ?? (await makeOnce(name, commonName, where));
  const key = await openSecret(wrapper, placeOf(name, document.keyVersion), document.sealedKey);
  try {
    const { certificatePem } = document;
    const signer = loadAuthority({ keyPem: key.toString('utf8'), certificatePem });
    const { fingerprint, notAfter } = describeCertificate(certificatePem);
    return { name, signer, certificatePem, fingerprint, notAfter };
  } finally {
    key.fill(0);
  }
}

async function makeOnce(
  name: string,
  commonName: string,
  { store, documents, wrapper }: Where,
): Promise<AuthorityDocument> {
  await demandClock(store);
  const { keyPem, certificatePem } = await createAuthority({ commonName });
  const keyVersion = 1;
  const document: AuthorityDocument = {
    id: name,
    revision: 1,
    certificatePem,
    sealedKey: await sealSecret(wrapper, placeOf(name, keyVersion), Buffer.from(keyPem)),
    keyVersion,
    createdAt: new Date().toISOString(),
  };
  try {
    return await documents.insert(document);
  } catch (error) {
    const other = isDuplicate(error) ? await documents.get(name) : null;
    if (other === null) throw error;
    return other;
  }
}

function placeOf(name: string, version: number): SecretPlace {
  return { collection: authorityCollection, id: name, version };
}

/** Whether another replica was faster. */
export function isDuplicate(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'STORE_DUPLICATE';
}
