/**
 * OpenTelemetry's collector, for the test that a trace arrives in one: its core components of one version, put together by
 * its own builder and built by Go. Takes a minute, so only on request (`pnpm service:install otel-collector`).
 */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { installedFile } from './cache.ts';
import { findCommand, runCommand } from './command.ts';

/** Later ones want a newer Go module proxy than every machine has. */
export const COLLECTOR_VERSION = '0.111.0';
const CORE = 'go.opentelemetry.io/collector';

/** The collector's path when it is in the cache, else null. */
export function collectorBinary(): string | null {
  return installedFile('otel-collector', COLLECTOR_VERSION, 'otelcol');
}

/** Fills `folder` so that `otelcol` is in it. */
export async function buildCollector(folder: string): Promise<Record<string, string>> {
  const go = findCommand('go');
  if (go === null) throw new Error('Go, which builds the OpenTelemetry collector, was not found');
  const version = `v${COLLECTOR_VERSION}`;
  const work = join(folder, 'work');
  const environment = { CGO_ENABLED: '0', GOBIN: folder };
  await runCommand(go, ['install', `${CORE}/cmd/builder@${version}`], environment);
  const part = (path: string): string => `[{ gomod: ${CORE}/${path} ${version} }]`;
  const description = join(folder, 'builder.yaml');
  await writeFile(
    description,
    [
      `dist: { name: otelcol, module: local/otelcol, version: ${COLLECTOR_VERSION}, output_path: ${work} }`,
      `receivers: ${part('receiver/otlpreceiver')}`,
      `processors: [${['batchprocessor', 'memorylimiterprocessor'].map((name) => part(`processor/${name}`).slice(1, -1)).join(', ')}]`,
      `exporters: [${['debugexporter', 'otlpexporter', 'otlphttpexporter'].map((name) => part(`exporter/${name}`).slice(1, -1)).join(', ')}]`,
      '',
    ].join('\n'),
  );
  await runCommand(join(folder, 'builder'), ['--config', description], environment);
  await runCommand('mv', [join(work, 'otelcol'), join(folder, 'otelcol')]);
  for (const left of [work, join(folder, 'builder')]) await rm(left, { recursive: true });
  return { from: 'go' };
}
