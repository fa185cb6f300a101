/**
 * Gives contents of certificates to whoever serves with them. A node proves by its cluster certificate that it is one;
 * a client's question comes through a node and carries a sealing key that the client signed, with the key that its ID
 * is made of. Nobody gets what no destination names for that end, and a key goes only where one is shown.
 */
import {
  type Material,
  type MaterialAnswer,
  type MaterialRefusal,
  type NodeProof,
  ServiceError,
  type SealedMaterial,
  type getClientMaterial,
  clientIdOf,
  isPasswordId,
  sessionTicketsId,
  materialRequestText,
  nodeIdentityName,
  sealingKeyText,
} from '@postern/contracts';
import { certificateKey, demandSigner, describeCertificate, isSignedText, keyThumbprint } from '@postern/tls';
import type { Authorities, AuthorityName } from '../authority/authority.ts';
import type { Certificates } from '../certificates.ts';
import { certstoreError } from '../errors.ts';
import type { MaterialSigner } from './material-signer.ts';
import type { Passwords } from './passwords.ts';
import type { SessionTickets } from './session-tickets.ts';
import type { Use, Usage } from '../usage.ts';

const nodeName = new RegExp(
  `^[a-z0-9][a-z0-9._-]*${nodeIdentityName({ kind: 'node', name: '' }).replaceAll('.', '\\.')}$`,
);

type ClientQuestion = ReturnType<(typeof getClientMaterial)['checkRequest']>;

/** What it needs. */
export interface MaterialsParts {
  readonly certificates: Certificates;
  readonly passwords: Passwords;
  readonly sessionTickets: SessionTickets;
  readonly usage: Usage;
  readonly authorities: Authorities;
  readonly signer: MaterialSigner;
  readonly now: () => Date;
}

/** Of what is no certificate. */
const nothing = { chainPem: '', keyPem: null, fingerprint: '', notAfter: '' };

interface Recipient {
  readonly isNode: boolean;
  readonly key: ReturnType<typeof certificateKey>;
  readonly trusts: AuthorityName;
  readonly mayHave: (use: Use) => boolean;
}

/** Answers both questions. */
export class Materials {
  readonly #parts: MaterialsParts;

  constructor(parts: MaterialsParts) {
    this.#parts = parts;
  }

  /** For the node itself. */
  async forNode(ids: readonly string[], proof: NodeProof): Promise<MaterialAnswer> {
    this.#demandNode(proof, materialRequestText(ids, null));
    const key = certificateKey(proof.certificatePem);
    return this.#give(ids, {
      isNode: true,
      key,
      trusts: 'cluster',
      mayHave: ({ holder }) => holder === 'node',
    });
  }

  /** For a client behind a node. */
  async forClient(question: ClientQuestion): Promise<MaterialAnswer> {
    const { ids, gatewayId, clientId, publicKey, sealingKey, sealingSignature, proof } = question;
    this.#demandNode(proof, materialRequestText(ids, clientId));
    if (clientId !== clientIdOf(gatewayId, await keyThumbprint(publicKey)))
      throw wrongProof('the client ID is not made of the client key');
    if (!isSignedText(publicKey, sealingKeyText(clientId, sealingKey), sealingSignature)) {
      throw wrongProof('the sealing key is not signed by the client');
    }
    const mayHave = ({ holder, route }: Use): boolean => holder === 'client' && route.gatewayId === gatewayId;
    return this.#give(ids, { isNode: false, key: sealingKey, trusts: 'platform', mayHave });
  }

  #demandNode({ certificatePem, signature }: NodeProof, text: string): void {
    const { authorities, now } = this.#parts;
    const isNode = describeNames(certificatePem).some((name) => nodeName.test(name));
    if (!isNode) throw wrongProof('the certificate is not a node of this cluster');
    try {
      demandSigner(certificatePem, { caPem: authorities.cluster.certificatePem, at: now() });
    } catch (cause) {
      throw wrongProof('the certificate is not of the cluster CA, or not valid now', cause);
    }
    if (!isSignedText(certificatePem, text, signature))
      throw wrongProof('the question is not signed by the certificate');
  }

  async #give(ids: readonly string[], recipient: Recipient): Promise<MaterialAnswer> {
    const { usage } = this.#parts;
    // A destination may be a moment newer than what this certstore has heard of.
    const isNew = (id: string): boolean => id !== sessionTicketsId && !usage.of(id).some(recipient.mayHave);
    if (ids.some(isNew)) await usage.refresh();
    const items: SealedMaterial[] = [];
    const refused: MaterialRefusal[] = [];
    for (const id of ids) {
      try {
        items.push(await this.#sealOne(id, recipient));
      } catch (error) {
        if (!(error instanceof ServiceError)) throw error;
        refused.push({ id, code: error.code, message: error.message });
      }
    }
    return { items, refused };
  }

  async #sealOne(id: string, recipient: Recipient): Promise<SealedMaterial> {
    const { key, trusts, mayHave } = recipient;
    const { certificates, usage, signer } = this.#parts;
    if (isPasswordId(id)) return this.#sealPassword(id, recipient);
    if (id === sessionTicketsId) return this.#sealSessionTickets(recipient);
    const known = await certificates.document(id);
    if (known === null) {
      throw certstoreError('CERTSTORE_CERTIFICATE_NOT_FOUND', `there is no certificate ${id}`);
    }
    const uses = usage.of(id).filter(mayHave);
    if (uses.length === 0) {
      throw certstoreError('CERTSTORE_NOT_NEEDED', `no destination needs the certificate ${id} there`);
    }
    const isShown = uses.some(({ role }) => role !== 'ca');
    const { document, keyPem } = isShown ? await certificates.withKey(id) : { document: known, keyPem: null };
    const { revision, chainPem, fingerprint, notAfter } = document;
    const material: Material = { id, revision, chainPem, keyPem, fingerprint, notAfter };
    return signer.seal(trusts, key, material);
  }

  async #sealSessionTickets({ isNode, key, trusts }: Recipient): Promise<SealedMaterial> {
    const { sessionTickets, signer } = this.#parts;
    if (!isNode) throw certstoreError('CERTSTORE_NOT_NEEDED', 'session tickets are for nodes');
    const { revision, secret } = await sessionTickets.current();
    return signer.seal(trusts, key, { id: sessionTicketsId, revision, ...nothing, sessionTickets: secret });
  }

  async #sealPassword(id: string, { key, trusts, mayHave }: Recipient): Promise<SealedMaterial> {
    const { passwords, usage, signer } = this.#parts;
    const routes = usage
      .of(id)
      .filter(mayHave)
      .map(({ route }) => route);
    const { place, password } = await passwords.open(id, routes);
    const { host, port, username } = place;
    const proxy = { host, port, username, password };
    return signer.seal(trusts, key, { id, revision: 1, ...nothing, proxy });
  }
}

function describeNames(certificatePem: string): readonly string[] {
  try {
    return describeCertificate(certificatePem).names;
  } catch (cause) {
    throw wrongProof('the certificate cannot be read', cause);
  }
}

function wrongProof(why: string, cause?: unknown): ServiceError {
  return certstoreError('CERTSTORE_PROOF_WRONG', `no contents are given: ${why}`, { cause });
}
