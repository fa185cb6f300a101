/**
 * API keys and what admin asks acl about them. Shown once, when made; stored and asked about as hashes only.
 * Refusals: `ACL_API_KEY_WRONG` (401), `ACL_API_KEY_NOT_FOUND` (404), `ACL_API_KEY_BY_SETTING` (409: the first key
 * is taken away where it was given), `ACL_GATEWAY_UNKNOWN` (404), `ACL_LIMIT` (409).
 */
import { randomBytes } from 'node:crypto';
import { Type, type Static } from 'typebox';
import {
  Done,
  SecretHash,
  byProperty,
  createdByProperty,
  lastUsedProperty,
  lineOf,
  objectProperties,
  pageOf,
  pageRequestProperties,
} from './object.ts';
import { defineQuestion } from './question.ts';

/** The longest text of a key; a longer one is refused unread. */
export const apiKeyCharactersMax = 256;

/** What the holder of a key may do: everything; change gateways and below; look. */
export const Role = Type.Union([Type.Literal('owner'), Type.Literal('operator'), Type.Literal('viewer')]);
export type Role = Static<typeof Role>;

const name = Type.String({ minLength: 1, maxLength: 128 });
const keyGatewaysMax = 1_000;
const gateways = Type.Union(
  [Type.Array(Type.String(), { minItems: 1, maxItems: keyGatewaysMax }), Type.Null()],
  { default: null, description: 'the only gateways that it is for; null for all' },
);

/** What a key is made from. */
export const ApiKeyInput = Type.Object(
  { name: lineOf({ minLength: 1, maxLength: 128 }), role: Role, gateways: Type.Optional(gateways) },
  { additionalProperties: false },
);
export type ApiKeyInput = Static<typeof ApiKeyInput>;

/** A key as it is listed. */
export const ApiKey = Type.Object({
  ...objectProperties,
  name,
  role: Role,
  gateways,
  createdBy: Type.Optional(createdByProperty.createdBy),
  lastUsedAt: Type.Optional(lastUsedProperty.lastUsedAt),
});
export type ApiKey = Static<typeof ApiKey>;

/** The one answer that has the key. */
export const NewApiKey = Type.Object({ ...ApiKey.properties, key: Type.String() });
export type NewApiKey = Static<typeof NewApiKey>;

/** Of whom a change is asked for: the only gateways that the API key is for; left out of one that is for all. */
export const keyGatewaysProperty = {
  keyGateways: Type.Optional(Type.Array(Type.String(), { minItems: 1, maxItems: keyGatewaysMax })),
};

/** The text of a new key. */
export function newApiKey(): string {
  return `pk_${randomBytes(32).toString('base64url')}`;
}

/** Makes a key. Who asks has made its text (`newApiKey`) and sends the hash, so the text crosses nothing. */
export const createApiKey = defineQuestion(
  'acl.api-keys.create',
  Type.Object({ input: ApiKeyInput, hash: SecretHash, ...byProperty }),
  ApiKey,
);
/** All keys. */
export const listApiKeys = defineQuestion(
  'acl.api-keys.list',
  Type.Object(pageRequestProperties),
  pageOf(ApiKey),
);
/** Deletes a key; it is refused from then on. */
export const deleteApiKey = defineQuestion('acl.api-keys.delete', Type.Object({ id: Type.String() }), Done);
/** Says whose key it is, or refuses. */
export const verifyApiKey = defineQuestion(
  'acl.api-keys.verify',
  Type.Object({ keyHash: SecretHash }),
  ApiKey,
);
