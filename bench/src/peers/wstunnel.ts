// wstunnel: a WebSocket over TLS for each stream, opened by the end on premises.

import { type Peer, program } from './peer.ts';
import { startReverse } from './reverse.ts';

const quiet = ['--log-lvl', 'WARN'];

/** Reverse tunnelling over WebSockets. */
export const wstunnel: Peer = {
  name: 'wstunnel',
  encryption: 'TLS 1.3, certificates on both sides; a WebSocket over TLS for each stream',
  needs: ['wstunnel'],
  start: (stage) => {
    const { ca, serverCertificate, serverKey, clientCertificate, clientKey } = stage.keys;
    const pair = (certificate: string, key: string) => [
      '--tls-certificate',
      certificate,
      '--tls-private-key',
      key,
    ];
    const server = [...quiet, 'server', ...pair(serverCertificate, serverKey), '--tls-client-ca-certs', ca];
    const client = ['--tls-verify-certificate', ...pair(clientCertificate, clientKey)];
    return startReverse(stage, {
      server: (port) => ({ file: program('wstunnel'), args: [...server, `wss://127.0.0.1:${port}`] }),
      client: (leg, forwards) => {
        const reverse = forwards.map(([front, resource]) => `tcp://127.0.0.1:${front}:127.0.0.1:${resource}`);
        const args = reverse.flatMap((one) => ['-R', one]);
        return {
          file: program('wstunnel'),
          args: [...quiet, 'client', ...args, ...client, `wss://127.0.0.1:${leg}`],
          environment: { SSL_CERT_FILE: ca },
        };
      },
    });
  },
};
