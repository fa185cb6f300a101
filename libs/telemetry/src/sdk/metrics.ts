/**
 * The program's metrics for a collector: what /metrics shows is read anew for each export and sent by OTLP, under
 * OpenTelemetry's own names. So there is one set of counters, whoever asks for them.
 */
import { type HrTime, ValueType } from '@opentelemetry/api';
import { hrTime, millisToHrTime } from '@opentelemetry/core';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import type { Resource } from '@opentelemetry/resources';
import {
  AggregationTemporality,
  DataPointType,
  MeterProvider,
  type MetricData,
  type MetricProducer,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { labelName } from '../metric-name.ts';
import type { MetricReading, Metrics } from '../metrics.ts';

/** A number to OpenTelemetry, text to Prometheus as every label. */
const statusAttribute = 'http.response.status_code';

/** Where metrics go, and how often. */
export interface MetricsOptions {
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly resource: Resource;
  readonly metrics: Metrics;
  readonly intervalMs: number;
}

/** Starts the export; `stop` sends the last values. */
export function startMetrics({ url, headers, resource, metrics, intervalMs }: MetricsOptions): {
  stop(): Promise<void>;
} {
  const reader = new PeriodicExportingMetricReader({
    exporter: new OTLPMetricExporter({ url, headers }),
    exportIntervalMillis: intervalMs,
    exportTimeoutMillis: Math.min(intervalMs, 30_000),
    metricProducers: [producerOf(metrics, resource)],
  });
  const provider = new MeterProvider({ resource, readers: [reader] });
  return { stop: () => provider.shutdown() };
}

function producerOf(metrics: Metrics, resource: Resource): MetricProducer {
  const startTime = millisToHrTime(performance.timeOrigin);
  return {
    collect: async () => {
      const endTime = hrTime();
      const data = (await metrics.read()).map((reading) => dataOf(reading, { startTime, endTime }));
      return {
        resourceMetrics: { resource, scopeMetrics: [{ scope: { name: 'postern' }, metrics: data }] },
        errors: [],
      };
    },
  };
}

interface Span {
  readonly startTime: HrTime;
  readonly endTime: HrTime;
}

/** One metric as OTLP has it. */
function dataOf(reading: MetricReading, span: Span): MetricData {
  const { description, values } = reading;
  const { name, unit, help, kind } = description;
  const common = {
    descriptor: { name, unit, description: help, valueType: ValueType.DOUBLE },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  };
  if (kind === 'histogram')
    return { ...common, dataPointType: DataPointType.HISTOGRAM, dataPoints: histogramPoints(reading, span) };
  const dataPoints = values.map(({ value, labels }) => {
    return { ...span, value, attributes: attributesOf(reading, labels) };
  });
  return kind === 'counter'
    ? { ...common, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints }
    : { ...common, dataPointType: DataPointType.GAUGE, dataPoints };
}

interface HistogramRow {
  readonly attributes: Record<string, string | number>;
  readonly buckets: { boundaries: number[]; counts: number[] };
  sum: number;
  count: number;
}

/** Prometheus adds buckets up; OTLP does not. */
function histogramPoints(reading: MetricReading, span: Span) {
  const rows = new Map<string, HistogramRow>();
  for (const { value, labels, metricName = '' } of reading.values) {
    const { le, ...own } = labels;
    const key = JSON.stringify(own);
    const row = rows.get(key) ?? {
      attributes: attributesOf(reading, own),
      buckets: { boundaries: [], counts: [] },
      sum: 0,
      count: 0,
    };
    rows.set(key, row);
    if (metricName.endsWith('_sum')) row.sum = value;
    else if (metricName.endsWith('_count')) row.count = value;
    else {
      const below = row.buckets.counts.reduce((sum, count) => sum + count, 0);
      row.buckets.counts.push(value - below);
      if (le !== '+Inf') row.buckets.boundaries.push(Number(le));
    }
  }
  return [...rows.values()].map(({ attributes, ...value }) => ({ ...span, attributes, value }));
}

function attributesOf(
  { description }: MetricReading,
  labels: Record<string, string | number>,
): Record<string, string | number> {
  return Object.fromEntries(
    description.labels.flatMap((attribute) => {
      const value = labels[labelName(attribute)];
      if (value === undefined) return [];
      return [[attribute, attribute === statusAttribute ? Number(value) : value]];
    }),
  );
}
