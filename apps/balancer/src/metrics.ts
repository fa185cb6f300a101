/** What a balancer counts; what goes through it, haproxy counts itself. */
import type { Counter, Gauge, Metrics } from '@postern/telemetry';

/** The metrics of one balancer. */
export interface BalancerMetrics {
  readonly nodes: Gauge;
  readonly reloads: Counter;
  readonly pollFailures: Counter;
  readonly failing: Gauge;
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
    // How often the admin API did not say which nodes there are, or haproxy did not take them.
    pollFailures: metrics.counter({
      name: 'postern.balancer.poll_failures',
      unit: '{question}',
      help: 'Times that the nodes could not be had or served.',
    }),
    // Whether it knows of changes, however seldom it asks.
    failing: metrics.gauge({
      name: 'postern.balancer.failing',
      unit: '{balancer}',
      help: '1 while the nodes could not be had or served at the last try, else 0.',
    }),
  };
}
