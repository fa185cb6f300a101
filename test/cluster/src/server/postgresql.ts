/** A real PostgreSQL in a cluster of its own: user `postgres`, no password, database `postgres`. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { tool } from '@postern/scripts/install';
import { accountOf } from '../process/account.ts';
import { type ProcessResource, type ResourcePlace, startResource } from './resource.ts';

/** A certificate that a server shows, with its key, both PEM. */
export interface ServerPair {
  readonly certPem: string;
  readonly keyPem: string;
  /** Only who shows a certificate of this CA, in the user's name, is let in. */
  readonly clientCaPem?: string;
}

/** Resolves when it takes connections; with a pair it speaks TLS to those who ask for it. */
export function startPostgresql(pair?: ServerPair): Promise<ProcessResource> {
  const user = accountOf('postgres');
  return startResource(
    'postgresql',
    async ({ folder, port, file }) => {
      const data = join(folder, 'data');
      const options = ['--auth=trust', '--username=postgres', '--encoding=UTF8', '--no-locale', '--no-sync'];
      await promisify(execFile)(tool('initdb'), ['--pgdata', data, ...options], { cwd: folder, ...user });
      // Nothing here must survive a power cut, and callers by the thousand are wanted.
      const tls =
        pair === undefined
          ? []
          : [
              'ssl=on',
              `ssl_cert_file=${await file('server.crt', pair.certPem)}`,
              `ssl_key_file=${await file('server.key', pair.keyPem)}`,
              ...(pair.clientCaPem === undefined ? [] : await wantCertificates(pair.clientCaPem, file)),
            ];
      const settings = [
        ...tls,
        'fsync=off',
        'full_page_writes=off',
        'max_connections=300',
        `unix_socket_directories=${folder}`,
      ];
      return {
        command: tool('postgres'),
        args: ['-D', data, '-h', '127.0.0.1', '-p', String(port), ...settings.flatMap((one) => ['-c', one])],
        ready: { line: /database system is ready to accept connections/ },
        // Fast shutdown: callers are cut off, not waited for.
        stopSignal: 'SIGINT',
      };
    },
    user,
  );
}

async function wantCertificates(clientCaPem: string, file: ResourcePlace['file']): Promise<string[]> {
  const ca = await file('client-ca.crt', clientCaPem);
  const hba = await file('certificates_hba.conf', 'hostssl all all 127.0.0.1/32 cert\n');
  return [`ssl_ca_file=${ca}`, `hba_file=${hba}`];
}
