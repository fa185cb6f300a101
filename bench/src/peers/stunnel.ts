// A pair of stunnel processes: caller -> stunnel -> mutual TLS 1.3 -> stunnel -> resource. Each connection of
// a caller is a TLS connection of its own.

import { type Ports, resourceNames, type Stage } from '../stage.ts';
import { type Peer, program, type Started } from './peer.ts';

/** Two stunnel processes, mutual TLS in between. */
export const stunnel: Peer = {
  name: 'stunnel',
  encryption: 'TLS 1.3, certificates on both sides; a TLS connection for each stream',
  needs: ['stunnel4'],
  async start(stage: Stage): Promise<Started> {
    return { fronts: await startStunnelPair(stage) };
  },
};

/** Starts both ends and resolves with where callers reach the resources. */
export async function startStunnelPair(stage: Stage): Promise<Ports> {
  const { serverCertificate, serverKey, clientCertificate, clientKey } = stage.keys;
  const inner = await stage.ports();
  await startSide(
    stage,
    'client',
    inner,
    stage.resources,
    `cert = ${serverCertificate}\nkey = ${serverKey}\n`,
  );
  await stage.listening(Object.values(inner));
  const legs = {
    bulk: await stage.leg(inner.bulk),
    http: await stage.leg(inner.http),
    echo: await stage.leg(inner.echo),
  };
  const fronts = await stage.ports();
  await startSide(
    stage,
    'edge',
    fronts,
    legs,
    `client = yes\ncert = ${clientCertificate}\nkey = ${clientKey}\n`,
  );
  await stage.listening(Object.values(fronts));
  return fronts;
}

async function startSide(
  stage: Stage,
  side: 'edge' | 'client',
  from: Ports,
  to: Ports,
  identity: string,
): Promise<void> {
  const services = resourceNames.map(
    (name) => `[${name}]\naccept = 127.0.0.1:${from[name]}\nconnect = 127.0.0.1:${to[name]}\n`,
  );
  const config = await stage.file(
    `${side}.conf`,
    `foreground = yes
pid =
syslog = no
debug = 3
sslVersion = TLSv1.3
verifyChain = yes
CAfile = ${stage.keys.ca}
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1
${identity}${services.join('')}`,
  );
  await stage.start(side, { file: program('stunnel4'), args: [config] });
}
