// The resources behind every peer, started once for a run: nginx with bodies of 128 bytes, 1 KiB and 1 MiB, and our own endpoint.
// iperf3's server is started for each of its tests; only its port is decided here.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '@postern/test-kit';
import { script } from './load/script.ts';
import { nginxCommand } from './nginx.ts';
import { listeningPorts } from './proc.ts';
import { Program } from './program.ts';
import type { Ports } from './stage.ts';
import { until } from './until.ts';

const startTimeoutMs = 20_000;

/** Starts them; `close` ends them. */
export async function startResources(directory: string): Promise<{ ports: Ports; close(): Promise<void> }> {
  await mkdir(directory, { recursive: true });
  const ports = { bulk: await freePort(), http: await freePort(), echo: await freePort() };
  await writeFile(join(directory, '1m'), Buffer.alloc(2 ** 20, 'x'));
  const log = join(directory, 'resources.log');
  const started = [
    new Program(await nginxCommand(directory, bodiesAt(directory, ports.http)), log),
    new Program(script('endpoint', ports.echo), log),
  ];
  const close = async (): Promise<void> => void (await Promise.all(started.map((one) => one.stop())));
  try {
    await until(
      async () => {
        await Promise.all(started.map((one) => one.assertAlive()));
        const open = await listeningPorts();
        return open.has(ports.http) && open.has(ports.echo);
      },
      { what: 'nginx and the echo', timeoutMs: startTimeoutMs },
    );
  } catch (error) {
    await close();
    throw error;
  }
  return { ports, close };
}

function bodiesAt(directory: string, port: number): string {
  return `  keepalive_timeout 300s;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    default_type text/plain;
    location = /1m { root ${directory}; sendfile on; tcp_nopush on; open_file_cache max=4; }
    location = /1k { return 200 "${'x'.repeat(1024)}"; }
    location / { return 200 "${'x'.repeat(128)}"; }
  }`;
}
