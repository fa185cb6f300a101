/** The program `postern-admin`: settings, bus and documents, then the service. */
import { type NatsBus, connectNats } from '@postern/bus';
import { mongodbConnection, natsConnection } from '@postern/config';
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
import { patientBus } from './patient-bus.ts';
import { createAdmin } from './service.ts';

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
  parts: [telemetry, lateService({ name: 'admin', waitsFor: ['bus', 'documents'], open })],
});

async function open(signal: AbortSignal): Promise<Opened> {
  const onError = (error: unknown): void => logger.warn({ error }, 'a server is out of reach');
  const documents = mongodbConnection(settings);
  const connected = await connectNats({ ...natsConnection(settings), name, signal, onError });
  bus = connected;
  try {
    const store = await connectMongo(documents.url, { ...documents.options, name, signal, onError });
    const service = createAdmin({
      bus: patientBus(connected),
      store,
      options: settings,
      logger,
      metrics,
      version,
    });
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
