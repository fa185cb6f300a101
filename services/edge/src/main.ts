/** The program `postern-edge`: settings, the bus, then the node. The bus goes last: a node says goodbye on it. */
import { connectNats } from '@postern/bus';
import { natsConnection } from '@postern/config';
import { Metrics, createLogger, lateService, runProgram, type Opened } from '@postern/telemetry';
import { program } from './config.ts';
import { createEdge } from './edge.ts';

const settings = program.parse();
const { name, version } = program;
const logger = createLogger({ name, level: settings.logLevel });
const metrics = new Metrics().collectProcess();

await runProgram({
  name,
  version,
  logger,
  ops: { host: settings.opsHost, port: settings.opsPort, metrics },
  parts: [lateService({ name: 'edge', waitsFor: ['bus'], open })],
});

async function open(signal: AbortSignal): Promise<Opened> {
  const onError = (error: unknown): void => logger.warn({ subsystem: 'bus', error }, 'the bus has a fault');
  const bus = await connectNats({ ...natsConnection(settings), name, signal, onError });
  return {
    service: createEdge({ options: settings, bus, logger, metrics, version }),
    close: () => bus.close(),
  };
}
