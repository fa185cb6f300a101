/** acl's metrics. */
import type { Metrics } from '@postern/telemetry';

/** What acl counts. */
export interface AclMetrics {
  /** One more question was answered with `ok` or a code. */
  answered(question: string, outcome: string): void;
}

/** Makes them. */
export function aclMetrics(metrics: Metrics): AclMetrics {
  // First calls are among the questions: `acl.session.open` with `ACL_TOKEN_…` counts refused clients.
  const questions = metrics.counter({
    name: 'postern.acl.questions',
    unit: '{question}',
    help: 'Questions answered, by subject and by ok or the code of the refusal.',
    labels: ['question', 'outcome'],
  });
  return { answered: (question, outcome) => questions.inc({ question, outcome }) };
}
