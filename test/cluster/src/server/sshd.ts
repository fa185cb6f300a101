/** A real sshd with sftp. Its user is the one who runs the tests, with a key that is made here. */
import { execFile } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { tool } from '@postern/scripts/install';
import { type ProcessResource, startResource } from './resource.ts';

/** sshd with what a caller needs to sign in. */
export interface SshServer extends ProcessResource {
  readonly user: string;
  /** The user's private key. */
  readonly keyFile: string;
  /** Options for ssh, sftp and scp that check the server's key, wherever it is reached. */
  readonly clientOptions: readonly string[];
}

/** Resolves when it takes connections. */
export async function startSshd(): Promise<SshServer> {
  const resource = await startResource('sshd', async ({ folder, port, file }) => {
    for (const name of ['host', 'user']) {
      await promisify(execFile)(tool('ssh-keygen'), [
        '-q',
        '-t',
        'ed25519',
        '-N',
        '',
        '-f',
        join(folder, name),
      ]);
    }
    // sshd, started by root, wants this folder; Debian makes it when the service starts, which it never did here.
    if (process.getuid?.() === 0) await mkdir('/run/sshd', { recursive: true, mode: 0o755 });
    const hostKey = await readFile(join(folder, 'host.pub'), 'utf8');
    await file('known_hosts', `postern-test ${hostKey}`);
    return {
      command: tool('sshd'),
      args: ['-D', '-e', '-f', await file('sshd_config', configuration(folder, port))],
      ready: { line: /Server listening on/ },
    };
  });
  const keyFile = join(resource.folder, 'user');
  const options = {
    IdentityFile: keyFile,
    IdentitiesOnly: 'yes',
    BatchMode: 'yes',
    HostKeyAlias: 'postern-test',
    UserKnownHostsFile: join(resource.folder, 'known_hosts'),
    GlobalKnownHostsFile: '/dev/null',
    StrictHostKeyChecking: 'yes',
  };
  const clientOptions = [
    '-F',
    'none',
    ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
  ];
  return { ...resource, user: userInfo().username, keyFile, clientOptions };
}

/** ssh's own SOCKS proxy (`ssh -D`), which speaks 4, 4a and 5 and asks for nothing; resolves when it takes connections. */
export function startSshProxy({ port: sshdPort, user, clientOptions }: SshServer): Promise<ProcessResource> {
  return startResource('ssh-proxy', async ({ port }) => ({
    command: tool('ssh'),
    args: [...clientOptions, '-N', '-D', `127.0.0.1:${port}`, '-p', String(sshdPort), `${user}@127.0.0.1`],
    ready: { host: '127.0.0.1', port },
  }));
}

function configuration(folder: string, port: number): string {
  return `
ListenAddress 127.0.0.1:${port}
HostKey ${join(folder, 'host')}
AuthorizedKeysFile ${join(folder, 'user.pub')}
AuthenticationMethods publickey
PasswordAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
UseDNS no
MaxStartups 500
PidFile none
LogLevel VERBOSE
Subsystem sftp ${tool('sftp-server')}
`;
}
