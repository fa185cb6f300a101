/** Edge and acl: the first call, the keys that tickets are verified with, what has been revoked, policies. */
import { Type, type Static } from 'typebox';
import { AccessRule, SourceRule } from './access.ts';
import { ClientPublicKey } from './client-key.ts';
import { ClientFacts } from './connect.ts';
import { defineQuestion } from './question.ts';

/**
 * An edge asks whether a client may connect. Tokens cross the bus as hashes only (SHA-256, base64url).
 * Refusals: `ACL_GATEWAY_UNKNOWN`, `ACL_GATEWAY_DISABLED`, `ACL_TOKEN_MISSING`, `ACL_TOKEN_WRONG`,
 * `ACL_TOKEN_EXPIRED`, `ACL_TOKEN_REVOKED` (all 401 or 403).
 */
export const openSession = defineQuestion(
  'acl.session.open',
  Type.Object({
    gatewayId: Type.String(),
    tokenHash: Type.Union([Type.String(), Type.Null()]),
    publicKey: ClientPublicKey,
    facts: ClientFacts,
    address: Type.String(),
  }),
  Type.Object({
    clientId: Type.String(),
    ticket: Type.String(),
    ticketExpiresAt: Type.String(),
    reserveTicket: Type.String(),
    reserveTicketExpiresAt: Type.String(),
    gateway: Type.Object({ id: Type.String(), name: Type.String() }),
  }),
);

/** The public keys (JWK with `kid`) that tickets are verified with. */
export const listTicketKeys = defineQuestion(
  'acl.ticket-keys.list',
  Type.Object({}),
  Type.Object({
    keys: Type.Array(
      Type.Object({ kid: Type.String(), kty: Type.String(), crv: Type.String(), x: Type.String() }),
    ),
  }),
);

/**
 * A policy, one per gateway, followed by every node (feed `acl.policies`): whether its tunnels may be up, its
 * access list, the source rules of its fronts, and the tokens revoked within the longest life of a ticket.
 */
export const Policy = Type.Object({
  id: Type.String({ description: 'the gateway ID' }),
  gatewayName: Type.String(),
  enabled: Type.Boolean(),
  requireToken: Type.Boolean({ description: 'a tunnel without a token may not be up' }),
  accessListRevision: Type.Integer(),
  accessList: Type.Array(AccessRule),
  sourceRules: Type.Array(
    Type.Object({ destinationId: Type.String(), restricted: Type.Boolean(), rules: Type.Array(SourceRule) }),
  ),
  revokedTokens: Type.Array(Type.Object({ tokenId: Type.String(), revokedAt: Type.String() })),
});
export type Policy = Static<typeof Policy>;
