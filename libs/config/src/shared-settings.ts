/**
 * Settings that several programs have, so that they are named, bounded and described once. Spread them into a schema:
 * `Type.Object({ ...logSettings, ...opsSettings(9101), ...natsSettings, ownSetting: … })`.
 */
import { Type, type TInteger, type TString } from 'typebox';
import { hostForm } from './host.ts';
import { secret } from './secret.ts';

/** How much is logged. */
export const logSettings = {
  logLevel: Type.Union(
    [
      Type.Literal('trace'),
      Type.Literal('debug'),
      Type.Literal('info'),
      Type.Literal('warn'),
      Type.Literal('error'),
      Type.Literal('silent'),
    ],
    {
      environment: 'POSTERN_LOG_LEVEL',
      default: 'info',
      description: 'The least grave message that is logged.',
    },
  ),
};

/** Where health, readiness, metrics and status are served. */
export function opsSettings(port: number): { opsHost: TString; opsPort: TInteger } {
  return {
    opsHost: Type.String({
      default: '127.0.0.1',
      placeholder: 'HOST',
      description:
        'The address that serves /healthz, /readyz, /metrics and /status. Not meant for the public.',
    }),
    opsPort: Type.Integer({
      minimum: 0,
      maximum: 65535,
      default: port,
      placeholder: 'PORT',
      description: 'The port of /healthz, /readyz, /metrics and /status; 0 takes a free one.',
    }),
  };
}

const httpUrl = (environment: `OTEL_${string}`, description: string) =>
  Type.Optional(
    Type.String({
      environment,
      pattern: '^https?://[^\\s@]+$',
      maxLength: 1000,
      placeholder: 'URL',
      description,
    }),
  );

/** Where traces and metrics go, by OpenTelemetry's own variables. Those that are not here the SDK reads by itself. */
export const telemetrySettings = {
  otlpEndpoint: httpUrl(
    'OTEL_EXPORTER_OTLP_ENDPOINT',
    'The OpenTelemetry collector (OTLP over HTTP), such as http://collector:4318. Without one nothing is sent, and OpenTelemetry’s SDK is not even loaded.',
  ),
  otlpTracesEndpoint: httpUrl(
    'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
    'The whole URL for traces, where it is another.',
  ),
  otlpMetricsEndpoint: httpUrl(
    'OTEL_EXPORTER_OTLP_METRICS_ENDPOINT',
    'The whole URL for metrics, where it is another.',
  ),
  otlpHeaders: Type.Optional(
    secret({
      environment: 'OTEL_EXPORTER_OTLP_HEADERS',
      maxLength: 8192,
      description: 'Further header fields for the collector, name=value divided by commas.',
    }),
  ),
  tracesExporter: Type.Union([Type.Literal('otlp'), Type.Literal('none')], {
    environment: 'OTEL_TRACES_EXPORTER',
    default: 'otlp',
    description: 'Whether traces are sent where there is an endpoint.',
  }),
  tracesSampler: Type.Union(
    [
      Type.Literal('always_on'),
      Type.Literal('always_off'),
      Type.Literal('traceidratio'),
      Type.Literal('parentbased_always_on'),
      Type.Literal('parentbased_always_off'),
      Type.Literal('parentbased_traceidratio'),
    ],
    {
      environment: 'OTEL_TRACES_SAMPLER',
      default: 'parentbased_traceidratio',
      description:
        'Which callers are traced; parentbased: what began elsewhere is traced as was decided there.',
    },
  ),
  tracesSamplerArg: Type.Number({
    environment: 'OTEL_TRACES_SAMPLER_ARG',
    minimum: 0,
    maximum: 1,
    default: 0.01,
    description: 'The share of callers that is traced, from 0 to 1.',
  }),
  tracesPerSecondMax: Type.Integer({
    environment: 'POSTERN_TRACES_PER_SECOND_MAX',
    minimum: 1,
    maximum: 100_000,
    default: 10,
    description:
      'Most traces that begin in a second where a share of callers is traced; always_on has no such bound.',
  }),
  metricsExporter: Type.Union([Type.Literal('otlp'), Type.Literal('none')], {
    environment: 'OTEL_METRICS_EXPORTER',
    default: 'otlp',
    description: 'Whether metrics are sent where there is an endpoint; /metrics shows them in any case.',
  }),
  metricExportIntervalMs: Type.Integer({
    environment: 'OTEL_METRIC_EXPORT_INTERVAL',
    minimum: 100,
    maximum: 3_600_000,
    default: 60_000,
    description: 'How often metrics are sent.',
  }),
  otelDisabled: Type.Boolean({
    environment: 'OTEL_SDK_DISABLED',
    default: false,
    description: 'Sends neither traces nor metrics, whatever the other settings say.',
  }),
};

/** The name that the whole platform goes by; every service must be told the same. */
export const platformSettings = {
  platformHost: Type.String({
    environment: 'POSTERN_PLATFORM_HOST',
    minLength: 1,
    maxLength: 190,
    ...hostForm,
    default: 'localhost',
    placeholder: 'HOST',
    description:
      'The name by which clients and callers know the platform; default hosts of fronts are below it.',
  }),
};

/** Where the bus is and how to enter it. */
export const natsSettings = {
  natsUrl: secret({
    environment: 'POSTERN_NATS_URL',
    inArgv: true,
    placeholder: 'URL',
    description: 'The NATS servers, divided by commas: nats://host:4222 or tls://host:4222.',
  }),
  natsUser: Type.Optional(
    Type.String({
      environment: 'POSTERN_NATS_USER',
      placeholder: 'NAME',
      description: 'The user name for NATS, where it asks for one.',
    }),
  ),
  natsPassword: Type.Optional(
    secret({ environment: 'POSTERN_NATS_PASSWORD', description: 'The password of that user.' }),
  ),
  natsSeedFile: Type.Optional(
    Type.String({
      environment: 'POSTERN_NATS_SEED_FILE',
      placeholder: 'FILE',
      description: 'The seed of this program’s nkey for NATS, in place of user and password.',
    }),
  ),
  natsCaFile: Type.Optional(
    Type.String({
      environment: 'POSTERN_NATS_CA_FILE',
      placeholder: 'FILE',
      description: 'The CA that signed the NATS servers’ certificates, where it is a private one (PEM).',
    }),
  ),
  natsCertificateFile: Type.Optional(
    Type.String({
      environment: 'POSTERN_NATS_CERTIFICATE_FILE',
      placeholder: 'FILE',
      description: 'This program’s certificate for NATS, where it asks for one (PEM).',
    }),
  ),
  natsKeyFile: Type.Optional(
    Type.String({
      environment: 'POSTERN_NATS_KEY_FILE',
      placeholder: 'FILE',
      description: 'The private key of that certificate (PEM).',
    }),
  ),
};

/** Where the documents are. TLS options are in the URL, or in the files here. */
const mongodbSettings = {
  mongodbUrl: secret({
    environment: 'POSTERN_MONGODB_URL',
    inArgv: true,
    placeholder: 'URL',
    description: 'The MongoDB servers, as a connection string: mongodb://host:27017/?replicaSet=rs0.',
  }),
  mongodbDatabase: Type.String({
    environment: 'POSTERN_MONGODB_DATABASE',
    default: 'postern',
    minLength: 1,
    maxLength: 38,
    placeholder: 'NAME',
    description: 'The database that holds the documents.',
  }),
  mongodbCaFile: Type.Optional(
    Type.String({
      environment: 'POSTERN_MONGODB_CA_FILE',
      placeholder: 'FILE',
      description: 'The CA that signed the MongoDB servers’ certificates, where it is a private one (PEM).',
    }),
  ),
  mongodbCertificateFile: Type.Optional(
    Type.String({
      environment: 'POSTERN_MONGODB_CERTIFICATE_FILE',
      placeholder: 'FILE',
      description: 'This program’s certificate and key for MongoDB in one file, where it asks for one (PEM).',
    }),
  ),
};

/** What every service has that owns documents; `opsPort` is its own. */
export function serviceSettings(opsPort: number) {
  return {
    ...logSettings,
    ...telemetrySettings,
    ...opsSettings(opsPort),
    ...natsSettings,
    ...mongodbSettings,
  };
}

const bound = (value: number, description: string, maximum: number) =>
  Type.Integer({ minimum: 1, maximum, default: value, description });
const milliseconds = (value: number, description: string) =>
  Type.Integer({ minimum: 10, maximum: 3_600_000, default: value, description });

/** The bounds of HTTP, for whoever speaks it with callers. */
export const httpSettings = {
  httpHeadBytesMax: bound(
    32_768,
    'Bytes of a head in HTTP: of a request, of an answer, and of trailers.',
    65_536,
  ),
  httpFieldsMax: bound(128, 'Fields of a head in HTTP.', 1_000),
  httpHeadTimeoutMs: milliseconds(10_000, 'How long the head of a request may take to come.'),
  httpBodyTimeoutMs: milliseconds(
    60_000,
    'How long nothing of a request’s body may come, or nothing of an answer be taken by the caller.',
  ),
  httpAnswerTimeoutMs: milliseconds(
    120_000,
    'How long a resource may take from a whole request to the head of its answer.',
  ),
  httpKeepAliveMs: milliseconds(60_000, 'How long a caller’s HTTP connection is kept without a request.'),
  httpRequestsPerConnectionMax: bound(100, 'Requests at once on one HTTP/2 connection.', 1_000),
  httpResourceKeepAliveMs: milliseconds(
    4_000,
    'How long a connection to a resource is kept for the next request; less where the resource says so.',
  ),
  httpResourceKeptMax: bound(256, 'Connections kept for each HTTP destination.', 10_000),
};
