/** `postern-client` as a process, once its code is loaded: settings, log, the client, and what it says on stdout. */
import process from 'node:process';
import { ConfigError, ExitCode } from '@postern/config';
import {
  ExitError,
  type LogFile,
  Metrics,
  createLogger,
  createTelemetry,
  fileDestination,
  processMetrics,
  runProgram,
} from '@postern/telemetry';
import { type ClientService, createClient } from './client.ts';
import { withoutEffect } from './config.ts';
import { program } from './program.ts';
import { ClientError } from './errors.ts';
import { gatewaysWithoutList, readOptions, rootLogLevel } from './options.ts';
import { maskedTitle } from './secret-title.ts';

// First of all: until then whoever lists processes sees what the old flags carry.
const title = maskedTitle(program.name, process.argv.slice(2));
if (title !== null) process.title = title;

const settings = program.parse();
const options = orExit(() => readOptions(settings, process.env));
const logFile = settings.logFile === undefined ? null : orExit(() => openLogFile(settings.logFile ?? ''));
const logger = createLogger({
  name: program.name,
  level: rootLogLevel(options),
  ...(logFile === null ? {} : { destination: logFile }),
});
const { name, version } = program;
const metrics = new Metrics();
const telemetry = createTelemetry({ name, version, settings, metrics, logger });
// Nobody pays for what nobody reads.
if (settings.opsPort !== undefined || telemetry.sendsMetrics) processMetrics(metrics);
const ignored = withoutEffect(settings);
if (ignored.length > 0)
  logger.info(
    { subsystem: 'config', flags: ignored },
    `old flags without effect in this version: ${ignored.join(', ')}`,
  );
const unlisted = gatewaysWithoutList(options);
if (unlisted.length > 0)
  logger.warn(
    { subsystem: 'config', gateways: unlisted },
    `no access list of this client's own for ${unlisted.join(', ')}: each value of -F, divided by "--", is one gateway's`,
  );

await runProgram({
  name,
  version,
  logger,
  ...(settings.opsPort === undefined
    ? {}
    : { ops: { host: settings.opsHost, port: settings.opsPort, metrics } }),
  parts: (ending) => {
    const client = makeClient(ending);
    // The owner's way to change what this client allows without cutting what runs.
    process.on('SIGHUP', () => {
      reopenLog();
      client.reload();
    });
    return [telemetry, client];
  },
});

function makeClient(ending: Parameters<typeof createClient>[0]['ending']): ClientService {
  try {
    return createClient({
      options,
      version: program.version,
      logger,
      tracing: () => telemetry.tracing,
      metrics,
      ending,
      onConnected: (gatewayId, clientId) => process.stdout.write(`connected ${gatewayId} ${clientId}\n`),
    });
  } catch (error) {
    if (error instanceof ClientError)
      throw new ExitError(ExitCode.configuration, `${error.code}: ${error.message}`, { cause: error });
    throw error;
  }
}

function orExit<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const { code, message } of error.problems)
      process.stderr.write(`${program.name}: ${code}: ${message}\n`);
    process.exit(error.exitCode);
  }
}

function openLogFile(path: string): LogFile {
  try {
    return fileDestination(path, program.name);
  } catch (error) {
    throw new ConfigError([{ code: 'CONFIG_FILE', message: `the log file: ${(error as Error).message}` }]);
  }
}

function reopenLog(): void {
  try {
    logFile?.reopen();
  } catch (error) {
    logger.error(
      { subsystem: 'life', error },
      'the log file cannot be opened anew; the former one is written on',
    );
  }
}
