/** The documents that acl owns, and their collections. Secrets are in none of them: only their hashes. */
import type { AccessRule, Actor, Role, SourceRule } from '@postern/contracts';
import { type Collection, type MigrationWatch, type Store, migrate } from '@postern/store';
import type { StoredOrigins } from './origins.ts';

interface Dated {
  id: string;
  revision: number;
  createdAt: string;
  modifiedAt: string;
}

/** What acl knows of a gateway, as the router told it; its ID is the gateway's. */
export interface PolicyDocument extends Dated {
  name: string;
  enabled: boolean;
  requireToken: boolean;
  /** The revision of the gateway that this is of; 0 as it was restored, and not in what an earlier version stored. */
  gatewayRevision?: number;
}

/** A gateway's access list; its ID is the gateway's. There is one for each policy. */
export interface AccessListDocument extends Dated {
  rules: AccessRule[];
  origins?: StoredOrigins;
}

/** The source rules of a front; their ID is the destination's. */
export interface SourceRulesDocument extends Dated {
  gatewayId: string;
  restricted: boolean;
  rules: SourceRule[];
  origins?: StoredOrigins;
}

/** A security token. `revoked` is there to be filtered by; `revokedAt` says when. */
export interface TokenDocument extends Dated {
  gatewayId: string;
  note: string;
  hash: string;
  expiresAt: string | null;
  revoked: boolean;
  revokedAt: string | null;
  createdBy?: Actor | null;
}

/** The public half of a key that tickets were signed with; its ID is the `kid`. */
export interface TicketKeyDocument {
  id: string;
  revision: number;
  x: string;
  expiresAt: string;
}

/** An API key. */
export interface ApiKeyDocument extends Dated {
  name: string;
  role: Role;
  gateways: string[] | null;
  hash: string;
  createdBy?: Actor | null;
}

/** When a token or an API key was last used; its ID is theirs. */
export interface UseDocument {
  id: string;
  revision: number;
  lastUsedAt: string;
}

/** acl's collections. */
export interface Documents {
  policies: Collection<PolicyDocument>;
  accessLists: Collection<AccessListDocument>;
  sourceRules: Collection<SourceRulesDocument>;
  tokens: Collection<TokenDocument>;
  ticketKeys: Collection<TicketKeyDocument>;
  apiKeys: Collection<ApiKeyDocument>;
  uses: Collection<UseDocument>;
}

/** Makes the collections when they are missing, and brings their documents up to date. */
export async function openDocuments(store: Store, options: MigrationWatch = {}): Promise<Documents> {
  const byGateway = { indexes: [['gatewayId']] };
  const unique = [['hash']];
  const documents = {
    policies: await store.collection<PolicyDocument>('policies'),
    accessLists: await store.collection<AccessListDocument>('accessLists'),
    sourceRules: await store.collection<SourceRulesDocument>('sourceRules', byGateway),
    tokens: await store.collection<TokenDocument>('tokens', { ...byGateway, unique }),
    ticketKeys: await store.collection<TicketKeyDocument>('ticketKeys'),
    apiKeys: await store.collection<ApiKeyDocument>('apiKeys', { unique }),
    uses: await store.collection<UseDocument>('uses'),
  };
  await migrate(store, { room: 'acl', collections: Object.values(documents), ...options });
  return documents;
}
