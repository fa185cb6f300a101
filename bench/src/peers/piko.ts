// Piko: yamux inside a WebSocket inside TLS between agent and server. Its callers need `piko forward`, which
// speaks a plain WebSocket to the server beside it; it is counted with the edge.

import { tcpSockets } from '../proc.ts';
import { resourceNames, type Stage } from '../stage.ts';
import { type Peer, program, type Started } from './peer.ts';

/** piko server, forward and agent. */
export const piko: Peer = {
  name: 'piko',
  encryption: 'TLS 1.3 between agent and server, server certificate; yamux over one connection',
  needs: ['piko'],
  async start(stage: Stage): Promise<Started> {
    const upstream = await stage.port();
    const proxy = await startServer(stage, upstream);
    const fronts = await stage.ports();
    const ports = resourceNames.map(
      (name) => `  - addr: 127.0.0.1:${fronts[name]}\n    endpoint_id: ${name}\n`,
    );
    const forward = await stage.file(
      'forward.yaml',
      `ports:\n${ports.join('')}connect:\n  url: http://127.0.0.1:${proxy}\nlog:\n  level: error\n`,
    );
    await stage.start('edge', {
      file: program('piko'),
      args: ['forward', 'start', '--config.path', forward],
    });
    const leg = await stage.leg(upstream);
    await startAgent(
      stage,
      leg,
      'agent',
      resourceNames.map((name) => [name, stage.resources[name]]),
    );
    await stage.listening(Object.values(fronts));
    await waitForAgents(stage, upstream, resourceNames.length);
    const addIdleTunnels = async (count: number): Promise<number> => {
      for (let index = 0; index < count; index++) {
        await startAgent(stage, leg, `idle${index}`, [[`idle${index}`, stage.resources.echo]]);
      }
      await waitForAgents(stage, upstream, resourceNames.length + count);
      return count;
    };
    return { fronts, addIdleTunnels };
  },
};

async function startServer(stage: Stage, upstream: number): Promise<number> {
  const [proxy, admin, gossip] = [await stage.port(), await stage.port(), await stage.port()];
  const { serverCertificate, serverKey } = stage.keys;
  const binds = { proxy, upstream, admin, 'cluster.gossip': gossip };
  const quiet = ['--proxy.access-log.disable', '--log.level', 'error'];
  const tls = ['--upstream.tls.cert', serverCertificate, '--upstream.tls.key', serverKey];
  const addresses = Object.entries(binds).flatMap(([name, port]) => [
    `--${name}.bind-addr`,
    `127.0.0.1:${port}`,
  ]);
  await stage.start('edge', { file: program('piko'), args: ['server', ...quiet, ...tls, ...addresses] });
  await stage.listening([proxy, upstream]);
  return proxy;
}

async function startAgent(
  stage: Stage,
  port: number,
  name: string,
  endpoints: ReadonlyArray<readonly [string, number]>,
): Promise<void> {
  const listeners = endpoints.map(
    ([endpoint, resource]) => `  - endpoint_id: ${endpoint}
    addr: 127.0.0.1:${resource}
    protocol: tcp
    timeout: 10s
    access_log:
      disable: true
`,
  );
  const config = await stage.file(
    `${name}.yaml`,
    `listeners:
${listeners.join('')}connect:
  url: https://127.0.0.1:${port}
  tls:
    root_cas: ${stage.keys.ca}
server:
  enabled: false
log:
  level: error
`,
  );
  await stage.start('client', { file: program('piko'), args: ['agent', 'start', '--config.path', config] });
}

// An agent has one connection for each of its endpoints; nothing else tells from outside that it is up.
async function waitForAgents(stage: Stage, upstream: number, connections: number): Promise<void> {
  await stage.waitFor(`${connections} connections of agents`, async () => {
    const sockets = await tcpSockets();
    return (
      sockets.filter(({ localPort, state }) => localPort === upstream && state === 'established').length >=
      connections
    );
  });
}
