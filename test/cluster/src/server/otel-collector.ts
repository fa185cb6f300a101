/**
 * OpenTelemetry's collector with the configuration of deploy/observe, but for where it listens and where it sends to: a
 * receiver of the test, in JSON. Only where it was installed (`pnpm service:install otel-collector`).
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { collectorBinary } from '@postern/scripts/install';
import { parse, stringify } from 'yaml';
import { freePort } from '@postern/test-kit';
import { rootFolder } from '../platform/service-part.ts';
import { startPart } from '../process/part.ts';
import { makeScratch, removeScratch } from '../process/scratch.ts';

interface CollectorConfiguration {
  receivers: { otlp: unknown };
  exporters: Record<string, unknown>;
  service: { pipelines: Record<string, { exporters: string[] }> };
}

/** Starts it before a receiver; null where it is not installed. */
export async function startOtelCollector(
  receiverUrl: string,
): Promise<{ url: string; stop(): Promise<void> } | null> {
  const command = collectorBinary();
  if (command === null) return null;
  const port = await freePort('127.0.0.1');
  const folder = await makeScratch('otel-collector');
  const file = join(folder, 'collector.yaml');
  const shipped = await readFile(join(rootFolder, 'deploy', 'observe', 'collector.yaml'), 'utf8');
  const configuration = parse(shipped) as CollectorConfiguration;
  configuration.receivers.otlp = { protocols: { http: { endpoint: `127.0.0.1:${port}` } } };
  configuration.exporters = {
    otlphttp: { endpoint: receiverUrl, encoding: 'json', compression: 'none' },
  };
  for (const pipeline of Object.values(configuration.service.pipelines)) pipeline.exporters = ['otlphttp'];
  await writeFile(file, stringify(configuration));
  const part = await startPart({
    name: 'otel-collector',
    command,
    args: ['--config', file],
    logFile: join(folder, 'collector.log'),
    ready: { host: '127.0.0.1', port },
  });
  return {
    url: `http://127.0.0.1:${port}`,
    stop: async () => {
      await part.stop();
      removeScratch(folder);
    },
  };
}
