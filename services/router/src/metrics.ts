/** The router's metrics. */
import type { Metrics, Sample } from '@postern/telemetry';

/** What the router counts and shows when scraped. */
export interface RouterMetrics {
  /** One more question was answered with `ok` or a code. */
  answered(question: string, outcome: string): void;
}

/** Makes them. `fleet` is read when they are scraped. */
export function routerMetrics(
  metrics: Metrics,
  fleet: () => { clients: number; nodes: number },
): RouterMetrics {
  // Which questions are asked and how often they are refused, and why.
  const questions = metrics.counter({
    name: 'postern.router.questions',
    unit: '{question}',
    help: 'Questions answered, by subject and by ok or the code of the refusal.',
    labels: ['question', 'outcome'],
  });
  // The fleet as this replica sees it: replicas that differ for long have lost the bus.
  metrics.gauge({
    name: 'postern.router.connected',
    unit: '{member}',
    help: 'Clients and nodes that this router sees.',
    labels: ['kind'],
    read: (): Sample[] => {
      const { clients, nodes } = fleet();
      return [
        { labels: { kind: 'client' }, value: clients },
        { labels: { kind: 'node' }, value: nodes },
      ];
    },
  });
  return { answered: (question, outcome) => questions.inc({ question, outcome }) };
}
