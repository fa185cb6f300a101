// chisel: SSH inside a WebSocket inside TLS, all streams over one connection.

import { resourceNames, type Stage } from '../stage.ts';
import { type Peer, program, startIdleClients, type Started } from './peer.ts';

const login = 'bench:throw-away';

/** Reverse remotes of chisel. */
export const chisel: Peer = {
  name: 'chisel',
  encryption: 'TLS 1.3, certificates on both sides, and SSH inside it; all streams over one connection',
  needs: ['chisel'],
  async start(stage: Stage): Promise<Started> {
    const { ca, serverCertificate, serverKey } = stage.keys;
    const port = await stage.port();
    const tls = ['--tls-cert', serverCertificate, '--tls-key', serverKey, '--tls-ca', ca];
    await stage.start('edge', {
      file: program('chisel'),
      args: ['server', '--host', '127.0.0.1', '--port', String(port), '--reverse', '--auth', login, ...tls],
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
  const remotes = forwards.map(([front, resource]) => `R:127.0.0.1:${front}:127.0.0.1:${resource}`);
  const tls = ['--tls-ca', ca, '--tls-cert', clientCertificate, '--tls-key', clientKey];
  await stage.start('client', {
    file: program('chisel'),
    args: ['client', '--auth', login, ...tls, `https://127.0.0.1:${port}`, ...remotes],
  });
}
