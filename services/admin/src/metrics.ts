/** What the admin API counts. Routes are patterns, never paths, so that the number of series is bounded. */
import { type AnsweredRequest, HttpServerDurations, type Metrics } from '@postern/telemetry';

/** The metrics of one admin service. */
export interface AdminMetrics {
  observe(call: AnsweredRequest): void;
}

/** Makes them in the program's registry. */
export function adminMetrics(metrics: Metrics): AdminMetrics {
  // How many calls were answered, what they asked, how it went and how long callers waited, owners' answers included.
  const durations = new HttpServerDurations(metrics);
  return { observe: (call) => durations.observe(call) };
}
