/** What acl has backed up: all but the keys of tickets and what was last used when, which are of this platform's own present. */
import type { BackupSource } from '@postern/backup';
import { AccessRule, Actor, Role, RuleOrigin, SecretHash, SourceRule } from '@postern/contracts';
import type { FeedOwner } from '@postern/replica';
import { type Collection, type StoredDocument, every, pageItemsMax } from '@postern/store';
import { Type, type TSchema } from 'typebox';
import { type ApiKeyDocument, type Documents, type PolicyDocument, type TokenDocument } from './document.ts';
import { restoredPolicy } from './policies.ts';

type Kept = Exclude<keyof Documents, 'ticketKeys' | 'uses'>;

/** What documents of the version before do not have. */
const origins = Type.Optional(Type.Object({ listModifiedAt: Type.String(), rules: Type.Array(RuleOrigin) }));
const createdBy = Type.Optional(Type.Union([Actor, Type.Null()]));

/** The least that a document has. */
const schemas: Record<Kept, TSchema> = {
  policies: Type.Object({ name: Type.String(), enabled: Type.Boolean(), requireToken: Type.Boolean() }),
  accessLists: Type.Object({ rules: Type.Array(AccessRule), origins }),
  sourceRules: Type.Object({
    gatewayId: Type.String(),
    restricted: Type.Boolean(),
    rules: Type.Array(SourceRule),
    origins,
  }),
  tokens: Type.Object({
    gatewayId: Type.String(),
    hash: SecretHash,
    expiresAt: Type.Union([Type.String(), Type.Null()]),
    revoked: Type.Boolean(),
    createdBy,
  }),
  apiKeys: Type.Object({
    name: Type.String(),
    role: Role,
    gateways: Type.Union([Type.Array(Type.String()), Type.Null()]),
    hash: SecretHash,
    createdBy,
  }),
};

/**
 * The router's backup is a moment older than acl's: with the revision that acl had seen, what the restored router says
 * would be taken for an earlier word.
 */
const asSaidBefore = (policy: StoredDocument): StoredDocument => restoredPolicy(policy as PolicyDocument);

/** Most that are named to whoever restores; of more it is said how many. */
const warningsMax = 100;

/** The owner's side of it. */
export function backupSource(documents: Documents, policies: FeedOwner): BackupSource {
  const collections = Object.values(documents)
    .filter(({ name }) => name in schemas)
    .map((collection) => ({
      collection,
      restore: 'replace' as const,
      fills: collection.name === 'tokens',
      schema: schemas[collection.name as Kept],
      arrived: collection.name === 'policies' ? asSaidBefore : (document: StoredDocument) => document,
      // Whose key restores goes on with it: certstore's part comes after this one.
      left: (document: StoredDocument, by: string | null) =>
        collection.name === 'apiKeys' && document.id === by ? document : null,
    }));
  return {
    room: 'acl',
    collections,
    feeds: [policies],
    warnings: (contents) =>
      takenAway(
        documents,
        (contents.get('tokens') ?? []) as TokenDocument[],
        (contents.get('apiKeys') ?? []) as ApiKeyDocument[],
      ),
  };
}

/** What was taken away here and is good again by these. Of a platform that has none, as a new one, nothing is known. */
async function takenAway(
  { tokens, apiKeys, policies }: Documents,
  restoredTokens: readonly TokenDocument[],
  restoredKeys: readonly ApiKeyDocument[],
): Promise<string[]> {
  if ((await tokens.count()) + (await apiKeys.count()) === 0) return [];
  const here = { tokens: await byId(tokens), apiKeys: await byId(apiKeys), policies: await byId(policies) };
  const again: string[] = [];
  for (const { id, name, role } of restoredKeys)
    if (!here.apiKeys.has(id)) again.push(`the API key ${id} (${name}, ${role}), which was deleted`);
  for (const { id, gatewayId, note, revoked } of restoredTokens) {
    const now = here.tokens.get(id);
    if (revoked || now?.revoked === false) continue;
    const gateway = here.policies.get(gatewayId)?.name ?? gatewayId;
    const end = now?.revokedAt == null ? 'which is gone' : `revoked at ${now.revokedAt}`;
    again.push(`the security token ${id} (${note === '' ? '' : `${note}, `}gateway ${gateway}), ${end}`);
  }
  const shown = again.slice(0, warningsMax).map((what) => `good again: ${what}`);
  if (again.length > warningsMax) shown.push(`good again: ${again.length - warningsMax} more`);
  return shown;
}

/** In pages: one by one they would take the time that a restore has. */
async function byId<T extends StoredDocument>(collection: Collection<T>): Promise<Map<string, T>> {
  const documents = await Array.fromAsync(every(collection, { limit: pageItemsMax }));
  return new Map(documents.map((document) => [document.id, document]));
}
