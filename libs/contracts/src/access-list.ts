/**
 * Access lists and source rules as admin asks acl about them. Both are kept with a revision; a change reaches
 * the nodes by the feed `acl.policies`. Refusals: `ACL_GATEWAY_UNKNOWN` and `ACL_DESTINATION_UNKNOWN` (404),
 * `ACL_RULES_INVALID` (400, with the faults), `ACL_REVISION_STALE` (412), `ACL_LIMIT` (409).
 */
import { Type, type Static } from 'typebox';
import { AccessDecision, AccessRule, RuleOrigin, SourceRule, SourceRuleInput } from './access.ts';
import { byProperty, expectedRevision, objectProperties } from './object.ts';
import { defineQuestion } from './question.ts';

/** What `PUT …/access-list` takes. */
export const AccessListInput = Type.Object(
  { rules: Type.Array(AccessRule, { maxItems: 1000 }) },
  { additionalProperties: false },
);
export type AccessListInput = Static<typeof AccessListInput>;

/** Of each rule, in their order; acl of the version before says nothing of them. */
const originsProperty = { origins: Type.Optional(Type.Array(RuleOrigin)) };

/** A gateway's access list; its `id` is the gateway's. */
export const AccessList = Type.Object({
  ...objectProperties,
  rules: Type.Array(AccessRule),
  ...originsProperty,
});
export type AccessList = Static<typeof AccessList>;

/** The access list of a gateway; empty until one is put. */
export const getAccessList = defineQuestion(
  'acl.access-list.get',
  Type.Object({ gatewayId: Type.String() }),
  AccessList,
);
/** Replaces it. Streams that it no longer allows are reset. */
export const putAccessList = defineQuestion(
  'acl.access-list.put',
  Type.Object({
    gatewayId: Type.String(),
    input: AccessListInput,
    revision: expectedRevision,
    ...byProperty,
  }),
  AccessList,
);

/** What access is asked for. */
export const AccessTarget = Type.Object(
  {
    host: Type.String({ minLength: 1, maxLength: 255 }),
    port: Type.Integer({ minimum: 1, maximum: 65535 }),
    path: Type.Optional(Type.String({ minLength: 1, maxLength: 8192, pattern: '^/' })),
  },
  { additionalProperties: false },
);
export type AccessTarget = Static<typeof AccessTarget>;

/** The same, where paths are judged one by one later: whether any at all may be reached. */
const ExplainedTarget = Type.Object({
  ...AccessTarget.properties,
  somePath: Type.Optional(Type.Boolean()),
});

/**
 * Says for each target which rule decides, at which end: the gateway's list first, then the own lists of the clients
 * that are connected (allowed when one of them allows it). `closed` are the destinations of the gateway whose source rules let
 * nobody call.
 */
export const explainAccess = defineQuestion(
  'acl.access-list.explain',
  Type.Object({ gatewayId: Type.String(), targets: Type.Array(ExplainedTarget, { maxItems: 200 }) }),
  Type.Object({ decisions: Type.Array(AccessDecision), closed: Type.Optional(Type.Array(Type.String())) }),
);

/** What `PUT …/source-rules` takes. */
export const SourceRulesInput = Type.Object(
  {
    restricted: Type.Boolean({
      description: 'false: anybody may call; true: only the rules; without rules nobody',
    }),
    rules: Type.Optional(Type.Array(SourceRuleInput, { maxItems: 1000, default: [] })),
  },
  { additionalProperties: false },
);
export type SourceRulesInput = Static<typeof SourceRulesInput>;

/** The source rules of a destination's front; their `id` is the destination's. */
export const SourceRules = Type.Object({
  ...objectProperties,
  gatewayId: Type.String(),
  restricted: Type.Boolean(),
  rules: Type.Array(SourceRule),
  ...originsProperty,
});
export type SourceRules = Static<typeof SourceRules>;

const front = { gatewayId: Type.String(), destinationId: Type.String() };

/** The source rules of a destination; `restricted: false` and revision 0 until some are put. */
export const getSourceRules = defineQuestion('acl.source-rules.get', Type.Object(front), SourceRules);
/** Replaces them. */
export const putSourceRules = defineQuestion(
  'acl.source-rules.put',
  Type.Object({ ...front, input: SourceRulesInput, revision: expectedRevision, ...byProperty }),
  SourceRules,
);
/** Adds one, in place of the one with the same `app`; whether the front is restricted stays as it is. */
export const addSourceRule = defineQuestion(
  'acl.source-rules.add',
  Type.Object({ ...front, rule: SourceRuleInput, revision: expectedRevision, ...byProperty }),
  SourceRules,
);
