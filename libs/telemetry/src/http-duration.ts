/** OpenTelemetry's metric of HTTP servers, which the admin API and the fronts have alike. */
import type { DurationOptions, DurationTable } from './duration-table.ts';
import type { Metrics } from './metrics.ts';

const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH']);

const options: DurationOptions = {
  name: 'http.server.request.duration',
  unit: 's',
  help: 'Time from the head of a request to the end of its answer.',
  labels: ['http.request.method', 'url.scheme', 'http.response.status_code', 'http.route'],
  buckets: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
};

/** One request that was answered; `route` is a pattern, never a path, and empty where there is none. */
export interface AnsweredRequest {
  readonly method: string;
  readonly scheme: 'http' | 'https';
  readonly status: number;
  readonly route: string;
  readonly seconds: number;
}

/** The requests of one server. */
export class HttpServerDurations {
  readonly #table: DurationTable;

  constructor(metrics: Metrics) {
    this.#table = metrics.durations(options);
  }

  observe({ method, scheme, status, route, seconds }: AnsweredRequest): void {
    this.#table.observe(seconds, methods.has(method) ? method : '_OTHER', scheme, String(status), route);
  }
}
