// frp: yamux over one TLS connection, certificates on both sides.

import { resourceNames, type Stage } from '../stage.ts';
import { type Peer, program, startIdleClients, type Started } from './peer.ts';

const secret = 'throw-away';

/** frps and frpc with tcpMux, its default. */
export const frp: Peer = {
  name: 'frp',
  encryption: 'TLS 1.3, certificates on both sides; yamux over one connection',
  needs: ['frps', 'frpc'],
  async start(stage: Stage): Promise<Started> {
    const port = await stage.port();
    await startServer(stage, port);
    const leg = await stage.leg(port);
    const fronts = await stage.ports();
    await startClient(
      stage,
      leg,
      'client',
      resourceNames.map((name) => [name, fronts[name], stage.resources[name]]),
    );
    await stage.listening(Object.values(fronts));
    const addIdleTunnels = (count: number): Promise<number> =>
      startIdleClients(stage, count, (index, front) =>
        startClient(stage, leg, `idle${index}`, [[`idle${index}`, front, stage.resources.echo]]),
      );
    return { fronts, addIdleTunnels };
  },
};

async function startServer(stage: Stage, port: number): Promise<void> {
  const { ca, serverCertificate, serverKey } = stage.keys;
  const config = await stage.file(
    'server.toml',
    `bindAddr = "127.0.0.1"
proxyBindAddr = "127.0.0.1"
bindPort = ${port}
auth.token = "${secret}"
log.level = "warn"
transport.tls.force = true
transport.tls.certFile = "${serverCertificate}"
transport.tls.keyFile = "${serverKey}"
transport.tls.trustedCaFile = "${ca}"
`,
  );
  await stage.start('edge', { file: program('frps'), args: ['-c', config] });
  await stage.listening([port]);
}

async function startClient(
  stage: Stage,
  port: number,
  name: string,
  proxies: ReadonlyArray<readonly [string, number, number]>,
): Promise<void> {
  const { ca, clientCertificate, clientKey } = stage.keys;
  const entries = proxies.map(
    ([proxy, front, resource]) => `[[proxies]]
name = "${proxy}"
type = "tcp"
localIP = "127.0.0.1"
localPort = ${resource}
remotePort = ${front}
`,
  );
  const config = await stage.file(
    `${name}.toml`,
    `serverAddr = "127.0.0.1"
serverPort = ${port}
auth.token = "${secret}"
log.level = "warn"
transport.tls.enable = true
transport.tls.certFile = "${clientCertificate}"
transport.tls.keyFile = "${clientKey}"
transport.tls.trustedCaFile = "${ca}"
transport.tls.serverName = "localhost"
${entries.join('')}`,
  );
  await stage.start('client', { file: program('frpc'), args: ['-c', config] });
}
