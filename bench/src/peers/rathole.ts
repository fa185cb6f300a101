// rathole: a TLS connection for each stream, opened by the end on premises. Its TLS library does not go beyond 1.2.

import { resourceNames, type Stage } from '../stage.ts';
import { type Peer, program, type Started } from './peer.ts';

const secret = 'throw-away';
const environment = { RUST_LOG: 'warn' };

/** rathole with its TLS transport. */
export const rathole: Peer = {
  name: 'rathole',
  encryption: 'TLS 1.2, server certificate and token; a TLS connection for each stream',
  needs: ['rathole'],
  async start(stage: Stage): Promise<Started> {
    const port = await stage.port();
    const fronts = await stage.ports();
    const idle: Array<readonly [string, number]> = [];
    for (let index = 0; index < stage.idleTunnels; index++) idle.push([`idle${index}`, await stage.port()]);
    await startServer(stage, port, [...resourceNames.map((name) => [name, fronts[name]] as const), ...idle]);
    const leg = await stage.leg(port);
    await startClient(
      stage,
      leg,
      'client',
      resourceNames.map((name) => [name, stage.resources[name]]),
    );
    await stage.listening(Object.values(fronts));
    // Its fronts listen only when their client is there, so that the prepared ports tell when a tunnel is up.
    const addIdleTunnels = async (count: number): Promise<number> => {
      const wanted = idle.slice(0, count);
      for (const [name] of wanted) await startClient(stage, leg, name, [[name, stage.resources.echo]]);
      await stage.listening(wanted.map(([, front]) => front));
      return wanted.length;
    };
    return { fronts, addIdleTunnels };
  },
};

async function startServer(
  stage: Stage,
  port: number,
  services: ReadonlyArray<readonly [string, number]>,
): Promise<void> {
  const entries = services.map(
    ([name, front]) => `[server.services.${name}]\nbind_addr = "127.0.0.1:${front}"\n`,
  );
  const config = await stage.file(
    'server.toml',
    `[server]
bind_addr = "127.0.0.1:${port}"
default_token = "${secret}"
[server.transport]
type = "tls"
[server.transport.tls]
pkcs12 = "${stage.keys.serverPkcs12}"
pkcs12_password = "${stage.keys.pkcs12Password}"
${entries.join('')}`,
  );
  await stage.start('edge', { file: program('rathole'), args: ['--server', config], environment });
  await stage.listening([port]);
}

async function startClient(
  stage: Stage,
  port: number,
  name: string,
  services: ReadonlyArray<readonly [string, number]>,
): Promise<void> {
  const entries = services.map(
    ([name, resource]) => `[client.services.${name}]\nlocal_addr = "127.0.0.1:${resource}"\n`,
  );
  const config = await stage.file(
    `${name}.toml`,
    `[client]
remote_addr = "127.0.0.1:${port}"
default_token = "${secret}"
[client.transport]
type = "tls"
[client.transport.tls]
trusted_root = "${stage.keys.ca}"
hostname = "localhost"
${entries.join('')}`,
  );
  await stage.start('client', { file: program('rathole'), args: ['--client', config], environment });
}
