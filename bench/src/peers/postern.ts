// Postern as its users run it: postern-standalone is the edge with all services beside it, postern-client the
// other end with its two tunnels, both from this tree, as processes of their own, with what they keep for RESUME.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AdminClient } from '@postern/test-cluster';
import { groups } from '../figure.ts';
import { tcpSockets } from '../proc.ts';
import type { Program } from '../program.ts';
import type { Ports, ResourceName, Stage } from '../stage.ts';
import type { Peer, Started } from './peer.ts';
import { startRelayed } from './postern-cluster.ts';
import { createWebFronts } from './postern-fronts.ts';
import type { GatewayAccess, OperatorFile } from './postern-access.ts';
import { startCrowd } from './postern-crowd.ts';

const apps = join(import.meta.dirname, '..', '..', '..', 'apps');
const standalone = join(apps, 'standalone', 'src', 'main.ts');
const client = join(apps, 'client', 'src', 'main.ts');

/** A client of idle tunnels serves this many gateways, with the usual two tunnels for each. */
const gatewaysPerClient = 25;
const tunnelsPerGateway = 2;
/** No proxy of the user's is to stand between the client and loopback. */
const plain = { HTTPS_PROXY: '', https_proxy: '', ALL_PROXY: '', all_proxy: '' };

/** postern-standalone and postern-client. */
export const postern: Peer = {
  name: 'postern',
  encryption: 'TLS 1.3, server certificate, signed ticket and token; all streams over two connections',
  needs: [],
  groups,
  start: (stage) => (stage.group === 'relay' ? startRelayed(stage) : startPostern(stage, {})),
};

/** Both ends, with more in their environment. */
export async function startPostern(stage: Stage, more: Record<string, string>): Promise<Started> {
  const environment = { ...plain, ...more };
  const operator = await startStandalone(stage, environment);
  const { adminUrl, apiKey, caFile } = operator;
  const { AdminClient } = await import('@postern/test-cluster'); // Large, and only this peer needs it.
  const admin = new AdminClient({ adminUrl, apiKey, caPem: await readFile(caFile, 'utf8') });
  try {
    const gateway = await createGateway(admin, 'bench');
    const fronts = await createFronts(admin, gateway.id, stage.resources);
    const web = await createWebFronts(admin, gateway.id, stage);
    const crowd = stage.group === 'idle-tunnels';
    const idle: GatewayAccess[] = [];
    const wanted = crowd ? 0 : stage.idleTunnels / tunnelsPerGateway;
    while (idle.length < wanted) idle.push(await createGateway(admin, `idle ${idle.length}`));
    const start = (name: string, gateways: readonly GatewayAccess[]): Promise<void> =>
      startClient(stage, operator, { name, gateways, environment });
    // One gateway has half of what a process may open.
    const second = stage.group === 'idle-streams' ? [await createGateway(admin, 'second')] : [];
    const moreEchoes = await Promise.all(
      second.map(async ({ id }) => (await createFronts(admin, id, stage.resources)).echo),
    );
    await start('client', [gateway, ...second]);
    await stage.listening([...Object.values(fronts), ...moreEchoes, ...Object.values(web)]);
    await stage.waitFor('both tunnels', async () => {
      const clients = await admin.clients(gateway.id);
      return clients.some((one) => one.tunnels.length === tunnelsPerGateway);
    });
    return {
      fronts,
      moreEchoes,
      web,
      addIdleTunnels: (count) =>
        crowd ? startCrowd(stage, operator, gateway, count) : startIdleTunnels(operator, idle, start),
    };
  } finally {
    admin.close();
  }
}

async function startStandalone(stage: Stage, environment: Record<string, string>): Promise<OperatorFile> {
  const state = join(stage.directory, 'state');
  const [admin, connect, tunnel] = [await stage.port(), await stage.port(), await stage.port()];
  const leg = await stage.leg(tunnel);
  const flags = {
    state,
    'admin-port': admin,
    'connect-port': connect,
    'http-port': 0,
    'tunnel-port': tunnel,
    'advertise-port': leg,
    'log-level': 'warn',
    // All of them come from one address and are of one gateway, which has half; the client has its own beside them.
    ...(stage.group === 'idle-tunnels' && {
      'tunnels-max': 2 * (stage.idleTunnels + tunnelsPerGateway),
      'connect-calls-per-minute': 1_000_000,
    }),
  };
  const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const program = await stage.start('edge', {
    file: process.execPath,
    args: [standalone, ...args],
    environment,
  });
  await stage.waitFor('postern-standalone', async () => /^ready$/m.test(await printed(program)));
  return JSON.parse(await readFile(join(state, 'operator.json'), 'utf8')) as OperatorFile;
}

async function createGateway(admin: AdminClient, name: string): Promise<GatewayAccess> {
  const { id } = await admin.createGateway({ name });
  await admin.putAccessList(id, [{ action: 'allow', host: '127.0.0.1', port: '*' }]);
  const { token } = await admin.createToken(id, { expiresInDays: 1 });
  return { id, token };
}

async function createFronts(admin: AdminClient, gatewayId: string, resources: Ports): Promise<Ports> {
  const create = async (name: ResourceName): Promise<number> => {
    const resource = { host: '127.0.0.1', port: resources[name], protocol: 'tcp' as const };
    const input = { name, kind: 'on-premises' as const, resource, front: { protocol: 'tcp' as const } };
    const { front } = await admin.createDestination(gatewayId, input);
    if (front === undefined) throw new Error(`the destination ${name} has no front`);
    return front.port;
  };
  return { bulk: await create('bulk'), http: await create('http'), echo: await create('echo') };
}

/** Resolves when each gateway's first tunnel is up, and the connections of the others are. */
async function startClient(
  stage: Stage,
  operator: OperatorFile,
  {
    name,
    gateways,
    environment,
  }: { name: string; gateways: readonly GatewayAccess[]; environment: Record<string, string> },
): Promise<void> {
  const before = await tunnelConnections(operator);
  const settings = {
    connect: operator.connectUrl,
    ca: operator.caFile,
    state: join(stage.directory, `${name}-state`),
    logLevel: 'warn',
    gateways,
  };
  const config = await stage.file(`${name}.yaml`, JSON.stringify(settings)); // JSON is YAML too.
  const args = [client, '--config', config];
  const program = await stage.start('client', { file: process.execPath, args, environment });
  const wanted = before + gateways.length * tunnelsPerGateway;
  await stage.waitFor(`${wanted} tunnels`, async () => {
    const said = await printed(program);
    const connected = gateways.every(({ id }) => said.includes(`connected ${id} `));
    return connected && (await tunnelConnections(operator)) >= wanted;
  });
}

/** The gateways are there already, so that the edge's memory grows by their tunnels and not by making them. */
async function startIdleTunnels(
  operator: OperatorFile,
  gateways: readonly GatewayAccess[],
  start: (name: string, gateways: readonly GatewayAccess[]) => Promise<void>,
): Promise<number> {
  const before = await tunnelConnections(operator);
  for (let first = 0; first < gateways.length; first += gatewaysPerClient) {
    await start(`idle${first}`, gateways.slice(first, first + gatewaysPerClient));
  }
  return (await tunnelConnections(operator)) - before;
}

async function tunnelConnections({ tunnelPort }: OperatorFile): Promise<number> {
  const sockets = await tcpSockets();
  return sockets.filter(({ localPort, state }) => localPort === tunnelPort && state === 'established').length;
}

function printed({ logFile }: Program): Promise<string> {
  return readFile(logFile, 'utf8');
}
