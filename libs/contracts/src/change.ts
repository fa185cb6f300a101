/**
 * Notices that an object was made, changed or deleted, for those who watch (live views, audit). They carry no
 * contents and may be lost: caches follow feeds instead (feed.ts).
 */
import { Type, type Static } from 'typebox';
import { defineNotice } from './question.ts';

/** What changed. */
export const Change = Type.Object({
  kind: Type.Union([
    Type.Literal('gateway'),
    Type.Literal('destination'),
    Type.Literal('token'),
    Type.Literal('access-list'),
    Type.Literal('source-rules'),
    Type.Literal('api-key'),
    Type.Literal('certificate'),
  ]),
  action: Type.Union([Type.Literal('created'), Type.Literal('updated'), Type.Literal('deleted')]),
  id: Type.String(),
  gatewayId: Type.Union([Type.String(), Type.Null()]),
  at: Type.String(),
});
export type Change = Static<typeof Change>;

/** The router changed a gateway or a destination. */
export const routerChanged = defineNotice('router.changed', Change);
/** acl changed a token, an access list, source rules or an API key. */
export const aclChanged = defineNotice('acl.changed', Change);
/** certstore changed a certificate. */
export const certstoreChanged = defineNotice('certstore.changed', Change);
