/** The shared settings as the bus and the store take them. They are plain values: this lib knows neither. */
import type { Secret } from './secret.ts';

/** What `natsSettings` read. */
export interface NatsConnectionSettings {
  readonly natsUrl: Secret;
  readonly natsUser?: string | undefined;
  readonly natsPassword?: Secret | undefined;
  readonly natsSeedFile?: string | undefined;
  readonly natsCaFile?: string | undefined;
  readonly natsCertificateFile?: string | undefined;
  readonly natsKeyFile?: string | undefined;
}

/** TLS by files. */
export interface TlsFiles {
  caFile?: string;
  certFile?: string;
  keyFile?: string;
}

/** The servers and credentials of the bus; a password that came from a file is read anew at each connect. */
export function natsConnection(settings: NatsConnectionSettings): {
  servers: string;
  tls?: TlsFiles;
  user?: { name: string; password: () => string };
  nkeySeedFile?: string;
} {
  const { natsUser: name, natsPassword: password, natsSeedFile: seed } = settings;
  const tls = tlsFiles(settings.natsCaFile, settings.natsCertificateFile, settings.natsKeyFile);
  return {
    servers: settings.natsUrl.reveal(),
    ...(tls === null ? {} : { tls }),
    ...(seed === undefined ? {} : { nkeySeedFile: seed }),
    ...(name === undefined || seed !== undefined
      ? {}
      : { user: { name, password: () => password?.current() ?? '' } }),
  };
}

/** What `serviceSettings` read of them. */
export interface MongodbConnectionSettings {
  readonly mongodbUrl: Secret;
  readonly mongodbDatabase: string;
  readonly mongodbCaFile?: string | undefined;
  readonly mongodbCertificateFile?: string | undefined;
}

/** The URL and options of the documents; MongoDB's certificate file holds the key too. */
export function mongodbConnection(settings: MongodbConnectionSettings): {
  url: string;
  options: { database: string; tls?: TlsFiles };
} {
  const { mongodbCertificateFile: certificate } = settings;
  const tls = tlsFiles(settings.mongodbCaFile, certificate, certificate);
  return {
    url: settings.mongodbUrl.reveal(),
    options: { database: settings.mongodbDatabase, ...(tls === null ? {} : { tls }) },
  };
}

function tlsFiles(
  ca: string | undefined,
  cert: string | undefined,
  key: string | undefined,
): TlsFiles | null {
  const files: TlsFiles = {
    ...(ca === undefined ? {} : { caFile: ca }),
    ...(cert === undefined ? {} : { certFile: cert }),
    ...(key === undefined ? {} : { keyFile: key }),
  };
  return Object.keys(files).length === 0 ? null : files;
}
