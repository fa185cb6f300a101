/**
 * `postern-edge`, once its code is loaded: settings, then either one node, or the workers of this machine, which are this
 * program again. Of a node: the bus first, and it goes last, because a node says goodbye on it.
 */
import { type NatsBus, busMetrics, connectNats } from '@postern/bus';
import { natsConnection } from '@postern/config';
import {
  ExitError,
  Metrics,
  type Opened,
  type Telemetry,
  createLogger,
  createTelemetry,
  lateService,
  processMetrics,
  runProgram,
  tellConnection,
} from '@postern/telemetry';
import type { EdgeSettings } from './config.ts';
import { program } from './program.ts';
import { createEdge } from './edge.ts';
import { supervisorMetrics } from './metrics.ts';
import { nodeStopMsMax, supervisorStopMsMax } from './stop-time.ts';
import { Supervisor } from './workers/supervisor.ts';
import { tellSupervisor } from './workers/worker-channel.ts';
import { portsOfMachine } from './workers/worker-ports.ts';
import { settingsOfWorker } from './workers/worker-settings.ts';

const given = program.parse();
const { name, version } = program;
const { workers, worker } = given;
const sharesPorts = workers > 1;
const logger = createLogger({
  name,
  level: given.logLevel,
  ...(sharesPorts && worker > 0 ? { worker } : {}),
});
const metrics = new Metrics();
processMetrics(metrics);

if (sharesPorts && worker === 0) await runSupervisor();
else await runNode();

function telemetryOf(settings: EdgeSettings): Telemetry {
  return createTelemetry({ name, version, instanceId: settings.name, settings, metrics, logger });
}

async function runSupervisor(): Promise<void> {
  await runProgram({
    name,
    version,
    logger,
    ops: { host: given.opsHost, port: given.opsPort, metrics },
    stopTimeoutMs: supervisorStopMsMax(given),
    parts: (ending) => {
      const command = [process.execPath, ...process.execArgv, ...process.argv.slice(1)] as const;
      const supervisor = new Supervisor({ settings: given, command, ending, logger });
      supervisorMetrics(metrics, supervisor);
      return [telemetryOf(given), supervisor];
    },
  });
}

async function runNode(): Promise<void> {
  const settings = ownSettings();
  const telemetry = telemetryOf(settings);
  let bus: NatsBus | null = null;
  busMetrics(metrics, () => bus?.stats ?? null);
  await runProgram({
    name,
    version,
    logger,
    ops: { host: settings.opsHost, port: settings.opsPort, metrics },
    stopTimeoutMs: nodeStopMsMax(settings),
    parts: (ending) => {
      const node = lateService({
        name: 'edge',
        waitsFor: ['bus'],
        open: async (signal) => {
          bus = await openBus(settings, signal);
          return openNode(settings, bus, telemetry);
        },
      });
      tellSupervisor(ending, () => node.ready());
      return [telemetry, node];
    },
  });
}

async function openBus(settings: EdgeSettings, signal: AbortSignal): Promise<NatsBus> {
  const onError = (error: unknown): void => logger.warn({ subsystem: 'bus', error }, 'the bus has a fault');
  return connectNats({ ...natsConnection(settings), name, instance: settings.name, signal, onError });
}

function openNode(settings: EdgeSettings, bus: NatsBus, { tracing }: Telemetry): Opened {
  const told = tellConnection(bus, logger);
  const machinePorts = sharesPorts ? portsOfMachine(given) : null;
  return {
    service: createEdge({ options: settings, bus, logger, metrics, version, machinePorts, workers, tracing }),
    close: async () => {
      told.close();
      await bus.close();
    },
  };
}

/** The settings of this very process; ends it where they cannot be. */
function ownSettings(): EdgeSettings {
  try {
    return settingsOfWorker(given, Math.max(worker, 1));
  } catch (error) {
    if (!(error instanceof ExitError)) throw error;
    logger.fatal({ subsystem: 'life' }, error.message);
    return process.exit(error.exitCode);
  }
}
