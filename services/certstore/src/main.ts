/** The program `postern-certstore`: settings, bus and documents, then the service. */
import { type NatsBus, connectNats } from '@postern/bus';
import { readFileSync } from 'node:fs';
import { type Secret, mongodbConnection, natsConnection, readSecretFile } from '@postern/config';
import { connectMongo } from '@postern/store';
import {
  Metrics,
  busMetrics,
  createLogger,
  createTelemetry,
  lateService,
  runProgram,
  type Opened,
} from '@postern/telemetry';
import { program } from './config.ts';
import { type CertstoreOptions, checkKeyEncryptionKey, createCertstore } from './service.ts';

const settings = program.parse();
const { name, version } = program;
const logger = createLogger({ name, level: settings.logLevel });
const metrics = new Metrics().collectProcess();
const telemetry = createTelemetry({ name, version, settings, metrics, logger });
let bus: NatsBus | null = null;
busMetrics(metrics, () => bus?.stats ?? null);

await runProgram({
  name,
  version,
  logger,
  ops: { host: settings.opsHost, port: settings.opsPort, metrics },
  parts: () => {
    // A key that can never be right is told before anything is waited for.
    checkKeyEncryptionKey(options());
    return [telemetry, lateService({ name: 'certstore', waitsFor: ['bus', 'documents'], open })];
  },
});

function options(): CertstoreOptions {
  const { keyEncryptionKey, transitUrl: url, transitToken, transitCaFile } = settings;
  const transit = {
    url,
    mount: settings.transitMount,
    key: settings.transitKey,
    token: () => current(transitToken),
    caPem: transitCaFile === '' ? null : readFileSync(transitCaFile, 'utf8'),
  };
  return {
    ...settings,
    keyEncryptionKey: keyEncryptionKey?.reveal() ?? '',
    readKeyEncryptionKey: () => current(keyEncryptionKey),
    transit: url === '' ? null : transit,
  };
}

/** What the secret is now: one from a file may have been replaced. */
function current(secret: Secret | undefined): string {
  if (secret === undefined) return '';
  return secret.file === null ? secret.reveal() : readSecretFile(secret.file);
}

async function open(signal: AbortSignal): Promise<Opened> {
  const onError = (error: unknown): void => logger.warn({ error }, 'a server is out of reach');
  const documents = mongodbConnection(settings);
  const connected = await connectNats({ ...natsConnection(settings), name, signal, onError });
  bus = connected;
  try {
    const store = await connectMongo(documents.url, { ...documents.options, name, signal, onError });
    const service = createCertstore({ bus: connected, store, options: options(), logger, metrics });
    // The documents first: what is being answered may still need the bus.
    const close = async (): Promise<void> => {
      await store.close();
      await connected.close();
    };
    return { service, close };
  } catch (error) {
    await connected.close();
    throw error;
  }
}
