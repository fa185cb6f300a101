/**
 * Security tokens and what admin asks acl about them. Shown once, when made; stored and sent as hashes only.
 * Refusals: `ACL_GATEWAY_UNKNOWN` and `ACL_TOKEN_NOT_FOUND` (404), `ACL_LIMIT` (409).
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

/** What a token is made from. */
export const TokenInput = Type.Object(
  {
    expiresInDays: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 365, default: 90, description: '0 never' }),
    ),
    note: Type.Optional(lineOf({ maxLength: 255, default: '' })),
  },
  { additionalProperties: false },
);
export type TokenInput = Static<typeof TokenInput>;

/** A token as it is listed: never the token itself. */
export const Token = Type.Object({
  ...objectProperties,
  gatewayId: Type.String(),
  note: Type.String(),
  expiresAt: Type.Union([Type.String({ format: 'date-time' }), Type.Null()]),
  expired: Type.Boolean(),
  createdBy: Type.Optional(createdByProperty.createdBy),
  lastUsedAt: Type.Optional(lastUsedProperty.lastUsedAt),
});
export type Token = Static<typeof Token>;

/** The one answer that has the token. */
export const NewToken = Type.Object({ ...Token.properties, token: Type.String() });
export type NewToken = Static<typeof NewToken>;

/** The text of a new token. The prefix says what it is to those who find one, and keeps it from beginning like a flag. */
export function newToken(): string {
  return `pt_${randomBytes(32).toString('base64url')}`;
}

/**
 * Makes a token; those that there are stay valid. Who asks has made its text (`newToken`) and sends the hash, so the text
 * crosses nothing.
 */
export const createToken = defineQuestion(
  'acl.tokens.create',
  Type.Object({ gatewayId: Type.String(), input: TokenInput, hash: SecretHash, ...byProperty }),
  Token,
);
/** The tokens of a gateway that have not been revoked. */
export const listTokens = defineQuestion(
  'acl.tokens.list',
  Type.Object({ gatewayId: Type.String(), ...pageRequestProperties }),
  pageOf(Token),
);
/** One of them. */
export const getToken = defineQuestion(
  'acl.tokens.get',
  Type.Object({ gatewayId: Type.String(), id: Type.String() }),
  Token,
);
/** Revokes a token: nodes close the tunnels that it opened. */
export const revokeToken = defineQuestion(
  'acl.tokens.revoke',
  Type.Object({ gatewayId: Type.String(), id: Type.String() }),
  Done,
);
