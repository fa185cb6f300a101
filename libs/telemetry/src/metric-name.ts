/**
 * How a metric of OpenTelemetry is called in Prometheus: `_` for what Prometheus does not take, the unit in words at the
 * end, then `_total` for what only grows (OpenTelemetry, "Prometheus and OpenMetrics compatibility").
 */

/** What grows, what goes up and down, what is spread over buckets. */
export type MetricKind = 'counter' | 'gauge' | 'histogram';

const words: Readonly<Record<string, string>> = { s: 'seconds', By: 'bytes' };

/** `http.server.request.duration`, `s` -> `http_server_request_duration_seconds`. */
export function metricName(name: string, unit: string, kind: MetricKind): string {
  const base = labelName(name);
  const word = unit === '1' && kind === 'gauge' ? 'ratio' : words[unit];
  const withUnit = word === undefined || base.endsWith(`_${word}`) ? base : `${base}_${word}`;
  return kind === 'counter' ? `${withUnit}_total` : withUnit;
}

/** `http.request.method` -> `http_request_method`. */
export function labelName(attribute: string): string {
  return attribute.replaceAll('.', '_');
}
