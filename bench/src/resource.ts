// The resources behind every peer, started once for a run: nginx with bodies of 128 bytes, 1 KiB and 1 MiB, and our own endpoint.
// iperf3's server is started for each of its tests; only its port is decided here.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { script } from './load/script.ts';
import { program } from './peers/peer.ts';
import { freePort } from './port.ts';
import { listeningPorts } from './proc.ts';
import { Program } from './program.ts';
import type { Ports } from './stage.ts';
import { until } from './until.ts';

const startTimeoutMs = 20_000;

/** Starts them; `close` ends them. */
export async function startResources(directory: string): Promise<{ ports: Ports; close(): Promise<void> }> {
  await mkdir(directory, { recursive: true });
  const ports = { bulk: await freePort(), http: await freePort(), echo: await freePort() };
  const config = join(directory, 'nginx.conf');
  await writeFile(join(directory, '1m'), Buffer.alloc(2 ** 20, 'x'));
  await writeFile(config, nginxConfig(directory, ports.http));
  const log = join(directory, 'resources.log');
  const started = [
    new Program({ file: program('nginx'), args: ['-c', config, '-e', join(directory, 'nginx.log')] }, log),
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

function nginxConfig(directory: string, port: number): string {
  const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${directory};`,
  );
  return `daemon off;
worker_processes 1;
${process.getuid?.() === 0 ? 'user root;' : ''}
pid ${directory}/nginx.pid;
events { worker_connections 8192; }
http {
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 300s;
  ${folders.join(' ')}
  server {
    listen 127.0.0.1:${port} backlog=4096;
    default_type text/plain;
    location = /1m { root ${directory}; sendfile on; tcp_nopush on; open_file_cache max=4; }
    location = /1k { return 200 "${'x'.repeat(1024)}"; }
    location / { return 200 "${'x'.repeat(128)}"; }
  }
}
`;
}
