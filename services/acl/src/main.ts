/** The program `postern-acl`: settings, bus and documents, then the service. */
import { connectNats } from '@postern/bus';
import { mongodbConnection, natsConnection } from '@postern/config';
import { connectMongo } from '@postern/store';
import { Metrics, createLogger, lateService, runProgram, type Opened } from '@postern/telemetry';
import { program } from './config.ts';
import { createAcl } from './service.ts';

const settings = program.parse();
const { name, version } = program;
const logger = createLogger({ name, level: settings.logLevel });
const metrics = new Metrics().collectProcess();

await runProgram({
  name,
  version,
  logger,
  ops: { host: settings.opsHost, port: settings.opsPort, metrics },
  parts: [lateService({ name: 'acl', waitsFor: ['bus', 'documents'], open })],
});

async function open(signal: AbortSignal): Promise<Opened> {
  const onError = (error: unknown): void => logger.warn({ error }, 'a server is out of reach');
  const documents = mongodbConnection(settings);
  const bus = await connectNats({ ...natsConnection(settings), name, signal, onError });
  try {
    const store = await connectMongo(documents.url, { ...documents.options, name, signal, onError });
    const service = createAcl({ bus, store, config: settings, logger, metrics });
    // The documents first: what is being answered may still need the bus.
    const close = async (): Promise<void> => {
      await store.close();
      await bus.close();
    };
    return { service, close };
  } catch (error) {
    await bus.close();
    throw error;
  }
}
