/** `postern-standalone`, once its code is loaded: settings, then the platform. */
import { keySettingsOf } from '@postern/certstore';
import { nodeStopMsMax } from '@postern/edge';
import { Metrics, createLogger, createTelemetry, processMetrics, runProgram } from '@postern/telemetry';
import { program } from './config.ts';
import { createPlatform } from './platform.ts';

/** For the services around the node. */
const servicesStopMs = 30_000;

const all = program.parse();
const { state, logLevel, opsHost, opsPort, keyEncryptionKey: _key, transitToken: _token, ...settings } = all;
const { name, version } = program;
const logger = createLogger({ name, level: logLevel });
const metrics = new Metrics();
processMetrics(metrics);
const telemetry = createTelemetry({ name, version, settings, metrics, logger });

const platform = createPlatform({
  state,
  settings,
  keys: () => keySettingsOf(all),
  version,
  logger,
  metrics,
  tracing: () => telemetry.tracing,
});

await runProgram({
  name,
  version,
  logger,
  ...(opsPort === undefined ? {} : { ops: { host: opsHost, port: opsPort, metrics } }),
  stopTimeoutMs: nodeStopMsMax({ drainDelayMs: 0, drainGraceMs: settings.drainGraceMs }) + servicesStopMs,
  parts: [telemetry, platform],
  onRunning: () => process.stdout.write('ready\n'),
});
