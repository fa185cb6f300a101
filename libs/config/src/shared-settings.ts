/**
 * Settings that several programs have, so that they are named, bounded and described once. Spread them into a schema:
 * `Type.Object({ ...logSettings, ...opsSettings(9101), ...natsSettings, ownSetting: … })`.
 */
import { Type, type TInteger, type TString } from 'typebox';
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

/** The name that the whole platform goes by; every service must be told the same. */
export const platformSettings = {
  platformHost: Type.String({
    environment: 'POSTERN_PLATFORM_HOST',
    minLength: 1,
    maxLength: 190,
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
export const mongodbSettings = {
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
