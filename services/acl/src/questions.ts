/** Which question is answered by what. All replicas of acl answer from one queue group. */
import type { Subscription } from '@postern/bus';
import { normalizePath } from '@postern/access';
import {
  type AccessTarget,
  type Answerer,
  addSourceRule,
  createApiKey,
  createToken,
  deleteApiKey,
  explainAccess,
  followGateway,
  getAccessList,
  getSourceRules,
  getToken,
  listApiKeys,
  listTicketKeys,
  listTokens,
  openSession,
  putAccessList,
  putSourceRules,
  revokeToken,
  verifyApiKey,
  done,
} from '@postern/contracts';
import type { Logger } from '@postern/telemetry';
import type { AccessLists } from './access-lists.ts';
import type { ApiKeys } from './api-keys.ts';
import type { Policies } from './policies.ts';
import type { Sessions } from './sessions.ts';
import type { SourceRules } from './source-rules.ts';
import type { TicketKeys } from './ticket-keys.ts';
import type { Tokens } from './tokens.ts';

/** As a front decides: on the one form of a path that is also sent, without what follows it. */
const asRequested = (target: AccessTarget): AccessTarget =>
  target.path === undefined ? target : { ...target, path: normalizePath(target.path.split('?', 1)[0] ?? '') };

/** What answers. */
export interface Answerers {
  policies: Policies;
  sessions: Sessions;
  ticketKeys: TicketKeys;
  tokens: Tokens;
  accessLists: AccessLists;
  sourceRules: SourceRules;
  apiKeys: ApiKeys;
}

/** Answers every question that acl is asked, until the subscriptions are closed. */
export function answerQuestions(
  serve: Answerer,
  logger: Logger,
  { policies, sessions, ticketKeys, tokens, accessLists, sourceRules, apiKeys }: Answerers,
): Subscription[] {
  return [
    serve(openSession, async (request) => {
      const session = await sessions.open(request);
      const { gatewayId, address, facts } = request;
      logger.info({ gatewayId, clientId: session.clientId, address, client: facts.name }, 'opened a session');
      return session;
    }),
    serve(listTicketKeys, async () => ({ keys: await ticketKeys.list() })),
    serve(followGateway, ({ id }) => done(policies.follow(id))),
    serve(createToken, ({ gatewayId, input, hash, by }) => tokens.create(gatewayId, input, hash, by)),
    serve(listTokens, (request) => tokens.list(request)),
    serve(getToken, ({ gatewayId, id }) => tokens.get(gatewayId, id)),
    serve(revokeToken, ({ gatewayId, id }) => done(tokens.revoke(gatewayId, id))),
    serve(getAccessList, ({ gatewayId }) => accessLists.get(gatewayId)),
    serve(putAccessList, ({ gatewayId, input, ...of }) => accessLists.put(gatewayId, input, of)),
    serve(explainAccess, async ({ gatewayId, targets }) => ({
      decisions: await accessLists.explain(gatewayId, targets.map(asRequested)),
      closed: await sourceRules.closed(gatewayId),
    })),
    serve(getSourceRules, (front) => sourceRules.get(front)),
    serve(putSourceRules, ({ input, revision, by, ...front }) =>
      sourceRules.put(front, input, { revision, by }),
    ),
    serve(addSourceRule, ({ rule, revision, by, ...front }) =>
      sourceRules.add(front, rule, { revision, by }),
    ),
    serve(createApiKey, ({ input, hash, by }) => apiKeys.create(input, hash, by)),
    serve(listApiKeys, (request) => apiKeys.list(request)),
    serve(deleteApiKey, ({ id }) => done(apiKeys.delete(id))),
    serve(verifyApiKey, ({ keyHash }) => apiKeys.verify(keyHash)),
  ];
}
