// gost: its relay protocol over TLS with smux inside, all streams over one connection.

import { resourceNames, type Stage } from '../stage.ts';
import { type Peer, program, startIdleClients, type Started } from './peer.ts';

const login = 'bench:throw-away';
const environment = { GOST_LOGGER_LEVEL: 'warn' };

/** Remote port forwarding through relay+tls. */
export const gost: Peer = {
  name: 'gost',
  encryption: 'TLS 1.3, server certificate and password; smux over one connection',
  needs: ['gost'],
  async start(stage: Stage): Promise<Started> {
    const { serverCertificate, serverKey } = stage.keys;
    const port = await stage.port();
    const options = `bind=true&certFile=${serverCertificate}&keyFile=${serverKey}`;
    await stage.start('edge', {
      file: program('gost'),
      args: ['-L', `relay+tls://${login}@127.0.0.1:${port}?${options}`],
      environment,
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
  const listeners = forwards.flatMap(([front, resource]) => [
    '-L',
    `rtcp://127.0.0.1:${front}/127.0.0.1:${resource}`,
  ]);
  const relay = `relay+tls://${login}@127.0.0.1:${port}?secure=true&caFile=${stage.keys.ca}`;
  await stage.start('client', { file: program('gost'), args: [...listeners, '-F', relay], environment });
}
