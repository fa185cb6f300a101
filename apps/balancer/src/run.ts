/** `postern-balancer`, once its code is loaded: settings, then haproxy and keepalived for as long as it runs. */
import { Metrics, createLogger, createTelemetry, processMetrics, runProgram } from '@postern/telemetry';
import { createBalancer } from './balancer.ts';
import { program } from './program.ts';
import { balancerMetrics } from './metrics.ts';

const settings = program.parse();
const { name, version } = program;
const logger = createLogger({ name, level: settings.logLevel });
const metrics = new Metrics();
processMetrics(metrics);
const telemetry = createTelemetry({ name, version, settings, metrics, logger });

await runProgram({
  name,
  version,
  logger,
  ops: { host: settings.opsHost, port: settings.opsPort, metrics },
  stopTimeoutMs: settings.drainGraceMs + 30_000,
  parts: (ending) => [
    telemetry,
    createBalancer({ options: settings, logger, metrics: balancerMetrics(metrics), ending }),
  ],
});
