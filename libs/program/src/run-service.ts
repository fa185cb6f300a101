/**
 * A service that needs bus and documents as a program of its own. Both are connected to once it runs: until then it says on
 * its ops port what it waits for, and can be asked to stop.
 */
import { type Bus, type NatsBus, busMetrics, connectNats } from '@postern/bus';
import {
  type MongodbConnectionSettings,
  type NatsConnectionSettings,
  type Program,
  mongodbConnection,
  natsConnection,
} from '@postern/config';
import { type Store, clockMetrics, storeMetrics } from '@postern/store';
import { connectMongo } from '@postern/store/mongo';
import {
  type LogLevel,
  type Logger,
  Metrics,
  type Opened,
  type Service,
  type TelemetrySettings,
  createLogger,
  createTelemetry,
  lateService,
  processMetrics,
  runProgram,
  tellConnection,
} from '@postern/telemetry';
import { watchClock } from './watch-clock.ts';

/** What its settings have beside its own: those of `natsSettings`, `mongodbSettings`, `logSettings` and so on. */
export type ServiceSettings = NatsConnectionSettings &
  MongodbConnectionSettings &
  TelemetrySettings & { readonly logLevel: LogLevel; readonly opsHost: string; readonly opsPort: number };

/** What there is before anything is connected. */
export interface ProgramParts<Settings> {
  readonly settings: Readonly<Settings>;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly version: string;
}

/** What it is connected to. */
export interface Connections {
  readonly bus: Bus;
  readonly store: Store;
}

/**
 * Runs `room` until it is asked to stop, then ends the process. `prepare` is called before anything is waited for, so that
 * settings that can never be right are told at once (`ExitError`); what it gives makes the service.
 */
export async function runService<Settings extends ServiceSettings>(
  room: string,
  program: Program<Settings>,
  prepare: (parts: ProgramParts<Settings>) => (connections: Connections) => Service,
): Promise<never> {
  const settings = program.parse();
  const { name, version } = program;
  const logger = createLogger({ name, level: settings.logLevel });
  const metrics = new Metrics();
  processMetrics(metrics);
  const telemetry = createTelemetry({ name, version, settings, metrics, logger });
  let bus: NatsBus | null = null;
  busMetrics(metrics, () => bus?.stats ?? null);
  const onOutcome = storeMetrics(metrics);
  let clockMs = 0;
  clockMetrics(metrics, () => clockMs);
  const onBusError = (error: unknown): void =>
    logger.warn({ subsystem: 'bus', error }, 'the bus has a fault');
  const onError = (error: unknown): void => logger.warn({ error }, 'a server is out of reach');

  async function open(signal: AbortSignal, make: (to: Connections) => Service): Promise<Opened> {
    const connected = await connectNats({
      ...natsConnection(settings),
      name,
      signal,
      onError: onBusError,
    });
    bus = connected;
    const told = tellConnection(connected, logger);
    try {
      const { url, options } = mongodbConnection(settings);
      const store = await connectMongo(url, { ...options, name, signal, onError, onOutcome });
      const clock = watchClock(store, logger, (differenceMs) => {
        clockMs = differenceMs;
      });
      // The bus first: it waits for what is being answered, which needs both.
      const close = async (): Promise<void> => {
        told.close();
        clock.close();
        await connected.close();
        await store.close();
      };
      return { service: make({ bus: connected, store }), close };
    } catch (error) {
      await connected.close();
      throw error;
    }
  }

  return runProgram({
    name,
    version,
    logger,
    ops: { host: settings.opsHost, port: settings.opsPort, metrics },
    parts: () => {
      const make = prepare({ settings, logger, metrics, version });
      const waitsFor = ['bus', 'documents'];
      return [telemetry, lateService({ name: room, waitsFor, open: (signal) => open(signal, make) })];
    },
  });
}
