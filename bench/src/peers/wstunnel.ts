// wstunnel: a WebSocket over TLS for each stream, opened by the end on premises.

import { resourceNames, type Stage } from '../stage.ts';
import { type Peer, program, startIdleClients, type Started } from './peer.ts';

/** Reverse tunnelling over WebSockets. */
export const wstunnel: Peer = {
  name: 'wstunnel',
  encryption: 'TLS 1.3, certificates on both sides; a WebSocket over TLS for each stream',
  needs: ['wstunnel'],
  async start(stage: Stage): Promise<Started> {
    const { ca, serverCertificate, serverKey } = stage.keys;
    const port = await stage.port();
    const tls = [
      '--tls-certificate',
      serverCertificate,
      '--tls-private-key',
      serverKey,
      '--tls-client-ca-certs',
      ca,
    ];
    await stage.start('edge', {
      file: program('wstunnel'),
      args: ['--log-lvl', 'WARN', 'server', ...tls, `wss://127.0.0.1:${port}`],
    });
    await stage.listening([port]);
    const leg = await stage.leg(port);
    const fronts = await stage.ports();
    await startClient(
      stage,
      leg,
      resourceNames.map((name) => [fronts[name], stage.resources[name]]),
    );
    await stage.listening(Object.values(fronts));
    const addIdleTunnels = (count: number): Promise<number> =>
      startIdleClients(stage, count, (_index, front) =>
        startClient(stage, leg, [[front, stage.resources.echo]]),
      );
    return { fronts, addIdleTunnels };
  },
};

async function startClient(
  stage: Stage,
  port: number,
  forwards: ReadonlyArray<readonly [number, number]>,
): Promise<void> {
  const { ca, clientCertificate, clientKey } = stage.keys;
  const reverse = forwards.flatMap(([front, resource]) => [
    '-R',
    `tcp://127.0.0.1:${front}:127.0.0.1:${resource}`,
  ]);
  const tls = [
    '--tls-verify-certificate',
    '--tls-certificate',
    clientCertificate,
    '--tls-private-key',
    clientKey,
  ];
  await stage.start('client', {
    file: program('wstunnel'),
    args: ['--log-lvl', 'WARN', 'client', ...reverse, ...tls, `wss://127.0.0.1:${port}`],
    environment: { SSL_CERT_FILE: ca },
  });
}
