// gost: its relay protocol over TLS with smux inside, all streams over one connection.

import { type Peer, program } from './peer.ts';
import { startReverse } from './reverse.ts';

const login = 'bench:throw-away';
const environment = { GOST_LOGGER_LEVEL: 'warn' };

/** Remote port forwarding through relay+tls. */
export const gost: Peer = {
  name: 'gost',
  encryption: 'TLS 1.3, server certificate and password; smux over one connection',
  needs: ['gost'],
  start: (stage) => {
    const { ca, serverCertificate, serverKey } = stage.keys;
    const relay = (port: number, options: string) => `relay+tls://${login}@127.0.0.1:${port}?${options}`;
    const server = `bind=true&certFile=${serverCertificate}&keyFile=${serverKey}`;
    return startReverse(stage, {
      server: (port) => ({ file: program('gost'), args: ['-L', relay(port, server)], environment }),
      client: (leg, forwards) => {
        const listeners = forwards.map(
          ([front, resource]) => `rtcp://127.0.0.1:${front}/127.0.0.1:${resource}`,
        );
        const args = listeners.flatMap((listener) => ['-L', listener]);
        return {
          file: program('gost'),
          args: [...args, '-F', relay(leg, `secure=true&caFile=${ca}`)],
          environment,
        };
      },
    });
  },
};
