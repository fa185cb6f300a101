/**
 * Log, metrics, the ops port and a program's life.
 *
 *     const settings = program.parse();
 *     const logger = createLogger({ name: program.name, level: settings.logLevel });
 *     const metrics = new Metrics();
 *     processMetrics(metrics);
 *     await runProgram({
 *       name: program.name, version: program.version, logger,
 *       ops: { host: settings.opsHost, port: settings.opsPort, metrics },
 *       parts: (ending) => [bus, createEdge({ …, logger, metrics })],   // started in order, stopped in reverse
 *     });
 *
 * A part ends the program with `ending.end(ExitCode.refused, 'why')`, or throws `ExitError` from `start()`.
 */
export { ExitError } from './exit-error.ts';
export type { Ending } from './life.ts';
export {
  type LogFile,
  type Logger,
  type LogLevel,
  createLogger,
  fileDestination,
  silentLogger,
  subsystemLogger,
} from './logger.ts';
export { type Counter, type Gauge, type MetricDescription, Metrics, type Sample } from './metrics.ts';
export { FileReserve } from './file-reserve.ts';
export { processMetrics } from './process-metrics.ts';
export { type AnsweredRequest, HttpServerDurations } from './http-duration.ts';
export { LineLimit } from './line-limit.ts';
export { type Opened, lateService } from './late-service.ts';
export { type Telemetry, createTelemetry } from './telemetry.ts';
export type { TelemetrySettings } from './telemetry-options.ts';
export type { SpanAttributes, TraceContext, TraceSpan, Tracing } from './tracing.ts';
export { type RunOptions, runProgram } from './run-program.ts';
export { type Readiness, type Service, combineReadiness, readyWhen } from './service.ts';
export { tellConnection } from './tell-connection.ts';
