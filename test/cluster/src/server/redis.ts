/** A real Redis that keeps nothing on disk. */
import { tool } from '@postern/scripts/install';
import { type ProcessResource, startResource } from './resource.ts';

/** A server's pair, and the CA of which it wants its clients' certificates; null where it wants none. */
export interface ServerTls {
  readonly chainPem: string;
  readonly keyPem: string;
  readonly clientCaPem: string | null;
}

/** Resolves when it takes connections: over TLS only, where that is given. */
export function startRedis(tls: ServerTls | null = null): Promise<ProcessResource> {
  return startResource('redis', async ({ folder, port, file }) => {
    const lines = [
      'bind 127.0.0.1',
      ...(tls === null ? [`port ${port}`] : await tlsLines(tls, port, file)),
      'save ""',
      'appendonly no',
      `dir ${folder}`,
      'daemonize no',
    ];
    return {
      command: tool('redis-server'),
      args: [await file('redis.conf', `${lines.join('\n')}\n`)],
      ready: { line: /Ready to accept connections/ },
    };
  });
}

async function tlsLines(
  { chainPem, keyPem, clientCaPem }: ServerTls,
  port: number,
  file: (name: string, text: string) => Promise<string>,
): Promise<string[]> {
  return [
    'port 0',
    `tls-port ${port}`,
    `tls-cert-file ${await file('cert.pem', chainPem)}`,
    `tls-key-file ${await file('key.pem', keyPem)}`,
    `tls-ca-cert-file ${await file('ca.pem', clientCaPem ?? chainPem)}`,
    `tls-auth-clients ${clientCaPem === null ? 'no' : 'yes'}`,
  ];
}
