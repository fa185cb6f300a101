/** Which question is answered by what. All replicas of acl answer from one queue group. */
import type { Bus, Subscription } from '@postern/bus';
import { normalizePath } from '@postern/access';
import {
  type AccessTarget,
  type Answerer,
  addSourceRule,
  answererOf,
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
} from '@postern/contracts';
import type { Logger } from '@postern/telemetry';
import type { AccessLists } from './access-lists.ts';
import type { ApiKeys } from './api-keys.ts';
import type { AclMetrics } from './metrics.ts';
import type { Policies } from './policies.ts';
import type { Sessions } from './sessions.ts';
import type { SourceRules } from './source-rules.ts';
import type { TicketKeys } from './ticket-keys.ts';
import type { Tokens } from './tokens.ts';

const queue = 'acl';

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

/** What answering needs. */
export interface AnsweringParts {
  bus: Bus;
  logger: Logger;
  metrics: AclMetrics;
}

/** Answers in the queue of the replicas; what fails is counted and logged. */
export function answererFor({ bus, logger, metrics }: AnsweringParts): Answerer {
  return answererOf({
    bus,
    queue,
    count: (subject, outcome) => metrics.answered(subject, outcome),
    onError: (error, subject) => logger.error({ error, subject }, 'a question failed'),
  });
}

/** Answers every question that acl is asked, until the subscriptions are closed. */
export function answerQuestions(
  parts: AnsweringParts,
  { policies, sessions, ticketKeys, tokens, accessLists, sourceRules, apiKeys }: Answerers,
): Subscription[] {
  const { logger } = parts;
  const serve = answererFor(parts);
  return [
    serve(openSession, async (request) => {
      const session = await sessions.open(request);
      const { gatewayId, address, facts } = request;
      logger.info({ gatewayId, clientId: session.clientId, address, client: facts.name }, 'opened a session');
      return session;
    }),
    serve(listTicketKeys, async () => ({ keys: await ticketKeys.list() })),
    serve(followGateway, async ({ id }) => {
      await policies.follow(id);
      return {};
    }),
    serve(createToken, ({ gatewayId, input, hash }) => tokens.create(gatewayId, input, hash)),
    serve(listTokens, (request) => tokens.list(request)),
    serve(getToken, ({ gatewayId, id }) => tokens.get(gatewayId, id)),
    serve(revokeToken, async ({ gatewayId, id }) => {
      await tokens.revoke(gatewayId, id);
      return {};
    }),
    serve(getAccessList, ({ gatewayId }) => accessLists.get(gatewayId)),
    serve(putAccessList, ({ gatewayId, input, revision }) => accessLists.put(gatewayId, input, revision)),
    serve(explainAccess, async ({ gatewayId, targets }) => ({
      decisions: await accessLists.explain(gatewayId, targets.map(asRequested)),
    })),
    serve(getSourceRules, (front) => sourceRules.get(front)),
    serve(putSourceRules, ({ input, revision, ...front }) => sourceRules.put(front, input, revision)),
    serve(addSourceRule, ({ rule, revision, ...front }) => sourceRules.add(front, rule, revision)),
    serve(createApiKey, ({ input, hash }) => apiKeys.create(input, hash)),
    serve(listApiKeys, (request) => apiKeys.list(request)),
    serve(deleteApiKey, async ({ id }) => {
      await apiKeys.delete(id);
      return {};
    }),
    serve(verifyApiKey, ({ keyHash }) => apiKeys.verify(keyHash)),
  ];
}
