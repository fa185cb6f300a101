/** Real NATS servers: one, or several as a cluster, each on an address of its own. */
import { mkdir, writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { join } from 'node:path';
import { tool } from '@postern/scripts/install';
import { Part } from '../process/part.ts';
import { freePort, pause } from '@postern/test-kit';

/** A NATS server of the harness. */
export interface NatsServer {
  readonly part: Part;
  /** For a program's settings. */
  readonly url: string;
  /** Its monitoring address; `/healthz` answers there. */
  readonly opsUrl: string;
  readonly address: string;
}

/** Starts one server per address and resolves when each sees all others. */
export async function startNats(folder: string, addresses: readonly string[]): Promise<NatsServer[]> {
  const places = await Promise.all(
    addresses.map(async (address) => ({
      address,
      client: await freePort(address),
      monitor: await freePort(address),
      route: await freePort(address),
    })),
  );
  const routes = places.map(({ address, route }) => `nats://${address}:${route}`);
  const servers = await Promise.all(
    places.map(async (place, index) => {
      const name = `nats-${index + 1}`;
      const home = join(folder, name);
      await mkdir(home, { recursive: true });
      const file = join(home, 'nats.conf');
      await writeFile(file, configuration(name, place, places.length > 1 ? routes : []));
      const part = new Part({
        name,
        command: tool('nats-server'),
        args: ['--config', file],
        folder: home,
        logFile: join(folder, `${name}.log`),
        ready: { line: /Server is ready/ },
      });
      return natsServer(part, place);
    }),
  );
  try {
    await Promise.all(servers.map(({ part }) => part.start()));
    await Promise.all(servers.map((server) => untilJoined(server, servers.length - 1)));
    return servers;
  } catch (error) {
    await Promise.all(servers.map(({ part }) => part.stop()));
    throw error;
  }
}

interface Place {
  readonly address: string;
  readonly client: number;
  readonly monitor: number;
  readonly route: number;
}

function natsServer(part: Part, { address, client, monitor }: Place): NatsServer {
  return { part, address, url: `nats://${address}:${client}`, opsUrl: `http://${address}:${monitor}` };
}

function configuration(name: string, { address, client, monitor, route }: Place, routes: string[]): string {
  const lines = [
    `server_name: ${name}`,
    `listen: "${address}:${client}"`,
    `http: "${address}:${monitor}"`,
    'max_payload: 1MB',
  ];
  if (routes.length > 0) {
    lines.push(
      `cluster { name: postern, listen: "${address}:${route}", pool_size: -1`,
      `  routes: [${routes.map((url) => `"${url}"`).join(', ')}] }`,
    );
  }
  return `${lines.join('\n')}\n`;
}

/** A question published right after the start must reach a service that is connected to another server. */
async function untilJoined(server: NatsServer, others: number): Promise<void> {
  const deadline = Date.now() + 30_000;
  while ((await routeCount(server)) < others) {
    if (Date.now() > deadline) throw server.part.failure('did not join the other servers');
    await pause();
  }
}

function routeCount({ opsUrl }: NatsServer): Promise<number> {
  return new Promise((resolve) => {
    get(`${opsUrl}/routez`, { agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => {
        const { routes } = JSON.parse(text) as { routes: { remote_name?: string }[] | null };
        resolve(new Set((routes ?? []).map((route) => route.remote_name)).size);
      });
    }).on('error', () => resolve(0));
  });
}
