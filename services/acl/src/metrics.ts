/** acl's metrics. */
import type { Metrics } from '@postern/telemetry';
import type { EndingToken } from './tokens.ts';

/** What acl counts. */
export interface AclMetrics {
  /** One more question was answered with `ok` or a code. */
  answered(question: string, outcome: string): void;
}

/** Makes them. `ending` is read when they are scraped. */
export function aclMetrics(metrics: Metrics, ending: () => readonly EndingToken[]): AclMetrics {
  // First calls are among the questions: `acl.session.open` with `ACL_TOKEN_…` counts refused clients.
  const questions = metrics.counter({
    name: 'postern.acl.questions',
    unit: '{question}',
    help: 'Questions answered, by subject and by ok or the code of the refusal.',
    labels: ['question', 'outcome'],
  });
  // When the last token of a client ends it is out, and nothing else told of that before.
  metrics.gauge({
    name: 'postern.acl.token_not_after',
    unit: 's',
    help: 'End of a security token in the last third of its life, 30 days at most, or that ended within a day, in seconds since 1970.',
    labels: ['id', 'postern.gateway.id'],
    read: () =>
      ending().map(({ id, gatewayId, expiresAt }) => ({
        labels: { id, postern_gateway_id: gatewayId },
        value: Date.parse(expiresAt) / 1_000,
      })),
  });
  return { answered: (question, outcome) => questions.inc({ question, outcome }) };
}
