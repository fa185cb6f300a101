/** What the admin API counts. Routes are patterns, never paths, so that the number of series is bounded. */
import type { Metrics } from '@postern/telemetry';

/** One call, when it is over. */
export interface Observation {
  readonly method: string;
  readonly route: string;
  readonly status: number;
  readonly seconds: number;
}

/** The metrics of one admin service. */
export interface AdminMetrics {
  observe(call: Observation): void;
}

/** Makes them in the program's registry. */
export function adminMetrics(metrics: Metrics): AdminMetrics {
  // How many calls were answered, by what they asked and how it went.
  const calls = metrics.counter({
    name: 'postern_admin_requests_total',
    help: 'Calls of the admin API that were answered.',
    labels: ['method', 'route', 'status'],
  });
  // How long callers waited, bodies and owners' answers included.
  const seconds = metrics.histogram({
    name: 'postern_admin_request_seconds',
    help: 'Time from the head of a call to the end of its answer.',
    labels: ['method', 'route'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  });
  return {
    observe: (call) => {
      calls.inc({ method: call.method, route: call.route, status: String(call.status) });
      seconds.observe({ method: call.method, route: call.route }, call.seconds);
    },
  };
}
