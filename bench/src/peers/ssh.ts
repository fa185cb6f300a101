// OpenSSH: sshd at the edge, `ssh -R` on premises, with AES-GCM, its fastest cipher where the processor helps.

import { mkdir, readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { resourceNames, type Stage } from '../stage.ts';
import { type Peer, program, startIdleClients, type Started } from './peer.ts';

/** Remote forwarding over one SSH connection. */
export const ssh: Peer = {
  name: 'ssh',
  encryption: 'SSH (OpenSSH -R, aes128-gcm), all streams over one connection',
  needs: ['sshd', 'ssh'],
  async start(stage: Stage): Promise<Started> {
    const port = await stage.port();
    await startServer(stage, port);
    const leg = await stage.leg(port);
    const fronts = await stage.ports();
    // Written once: idle clients start side by side and all read it.
    const hostKey = await readFile(`${stage.keys.sshHostKey}.pub`, 'utf8');
    const server = {
      port: leg,
      knownHosts: await stage.file('known_hosts', `[127.0.0.1]:${leg} ${hostKey}`),
    };
    await startClient(
      stage,
      server,
      resourceNames.map((name) => [fronts[name], stage.resources[name]]),
    );
    await stage.listening(Object.values(fronts));
    const addIdleTunnels = (count: number): Promise<number> =>
      startIdleClients(stage, count, (_index, front) =>
        startClient(stage, server, [[front, stage.resources.echo]]),
      );
    return { fronts, addIdleTunnels };
  },
};

async function startServer(stage: Stage, port: number): Promise<void> {
  if (process.getuid?.() === 0) await mkdir('/run/sshd', { recursive: true, mode: 0o755 });
  const config = await stage.file(
    'sshd_config',
    `ListenAddress 127.0.0.1:${port}
HostKey ${stage.keys.sshHostKey}
AuthorizedKeysFile ${stage.keys.sshUserKey}.pub
AuthenticationMethods publickey
StrictModes no
UsePAM no
UseDNS no
PermitRootLogin prohibit-password
PasswordAuthentication no
AllowTcpForwarding remote
PermitTTY no
GatewayPorts no
MaxStartups 500
PidFile none
LogLevel ERROR
`,
  );
  await stage.start('edge', { file: program('sshd'), args: ['-D', '-e', '-f', config] });
  await stage.listening([port]);
}

async function startClient(
  stage: Stage,
  { port, knownHosts }: { port: number; knownHosts: string },
  forwards: ReadonlyArray<readonly [number, number]>,
): Promise<void> {
  const settings = [
    `UserKnownHostsFile=${knownHosts}`,
    'GlobalKnownHostsFile=/dev/null',
    'IdentitiesOnly=yes',
    'BatchMode=yes',
    'StrictHostKeyChecking=yes',
    'ExitOnForwardFailure=yes',
    'Ciphers=aes128-gcm@openssh.com',
  ];
  const identity = ['-N', '-F', 'none', '-i', stage.keys.sshUserKey, '-p', String(port)];
  const options = settings.flatMap((setting) => ['-o', setting]);
  const reverse = forwards.flatMap(([front, resource]) => ['-R', `127.0.0.1:${front}:127.0.0.1:${resource}`]);
  const args = [...identity, ...options, ...reverse, `${userInfo().username}@127.0.0.1`];
  await stage.start('client', { file: program('ssh'), args });
}
