// chisel: SSH inside a WebSocket inside TLS, all streams over one connection.

import { type Peer, program } from './peer.ts';
import { startReverse } from './reverse.ts';

const login = 'bench:throw-away';

/** Reverse remotes of chisel. */
export const chisel: Peer = {
  name: 'chisel',
  encryption: 'TLS 1.3, certificates on both sides, and SSH inside it; all streams over one connection',
  needs: ['chisel'],
  start: (stage) => {
    const { ca, serverCertificate, serverKey, clientCertificate, clientKey } = stage.keys;
    const tls = (certificate: string, key: string) => [
      '--tls-ca',
      ca,
      '--tls-cert',
      certificate,
      '--tls-key',
      key,
    ];
    const listen = ['--host', '127.0.0.1', '--reverse', '--auth', login];
    return startReverse(stage, {
      server: (port) => ({
        file: program('chisel'),
        args: ['server', ...listen, '--port', String(port), ...tls(serverCertificate, serverKey)],
      }),
      client: (leg, forwards) => ({
        file: program('chisel'),
        args: [
          'client',
          '--auth',
          login,
          ...tls(clientCertificate, clientKey),
          `https://127.0.0.1:${leg}`,
          ...forwards.map(([front, resource]) => `R:127.0.0.1:${front}:127.0.0.1:${resource}`),
        ],
      }),
    });
  },
};
