/** What a balancer counts; what goes through it, haproxy counts itself. */
import type { Counter, Gauge, Metrics } from '@postern/telemetry';

/** The metrics of one balancer. */
export interface BalancerMetrics {
  readonly nodes: Gauge;
  readonly reloads: Counter;
  readonly pollFailures: Counter;
}

/** Makes them in the program's registry. */
export function balancerMetrics(metrics: Metrics): BalancerMetrics {
  return {
    // How many nodes connections are passed to.
    nodes: metrics.gauge({
      name: 'postern.balancer.nodes',
      unit: '{node}',
      help: 'Nodes that connections are passed to.',
    }),
    // How often the list of nodes changed.
    reloads: metrics.counter({
      name: 'postern.balancer.configurations',
      unit: '{configuration}',
      help: 'Configurations that haproxy was given, the first included.',
    }),
    // How often the admin API did not say which nodes there are.
    pollFailures: metrics.counter({
      name: 'postern.balancer.poll_failures',
      unit: '{question}',
      help: 'Questions to the admin API for the nodes that failed.',
    }),
  };
}
