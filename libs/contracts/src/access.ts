/** Access lists and source rules as they are stored, sent and shown. `libs/access` decides on them. */
import { Type, type Static } from 'typebox';
import { createdByProperty, lineOf } from './object.ts';

/** One rule of an access list: `{action, host, port, path?}` as in the admin API. */
export const AccessRule = Type.Object(
  {
    action: Type.Union([Type.Literal('allow'), Type.Literal('deny')]),
    host: Type.String({ minLength: 1, maxLength: 255, description: 'address, CIDR, name, `*.name` or `*`' }),
    port: Type.String({ minLength: 1, maxLength: 11, description: 'port, `from-to` or `*`' }),
    path: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 1024,
        description:
          'prefix of the path, HTTP destinations only; a `*` at its end says the same, in the middle it is refused',
      }),
    ),
  },
  { additionalProperties: false },
);
export type AccessRule = Static<typeof AccessRule>;

/** Since when a rule is in its list, and by whom. It keeps both while other rules of the list change. */
export const RuleOrigin = Type.Object({
  createdAt: Type.Union([Type.String({ format: 'date-time' }), Type.Null()], {
    description: 'since when the rule is in the list; null where that is not known',
  }),
  ...createdByProperty,
});
export type RuleOrigin = Static<typeof RuleOrigin>;

/** Which rule decided, at which end, and why; the same three wherever access is explained. */
export const AccessDecision = Type.Object({
  allowed: Type.Boolean(),
  rule: Type.Union([
    Type.Object({
      list: Type.Union([Type.Literal('gateway'), Type.Literal('client')]),
      index: Type.Integer({ minimum: 0 }),
      text: Type.String(),
    }),
    Type.Null(),
  ]),
  reason: Type.String(),
});
export type AccessDecision = Static<typeof AccessDecision>;

/** One source rule of a front. */
export const SourceRule = Type.Object(
  {
    source: Type.String({
      minLength: 1,
      maxLength: 100,
      description: 'address, CIDR or `from-to`; `*` for any',
    }),
    sourcePort: Type.Optional(Type.String({ minLength: 1, maxLength: 11 })),
    app: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
  },
  { additionalProperties: false },
);
export type SourceRule = Static<typeof SourceRule>;

/** One as it is taken. */
export const SourceRuleInput = Type.Object(
  { ...SourceRule.properties, app: Type.Optional(lineOf({ minLength: 1, maxLength: 255 })) },
  { additionalProperties: false },
);
