// A pair of haproxy processes in TCP mode: caller -> haproxy -> mutual TLS 1.3 -> haproxy -> resource.
// Each connection of a caller is a TLS connection of its own; a front of HTTP uses those to the other end again.

import { groups } from '../figure.ts';
import { type Ports, resourceNames, type Stage } from '../stage.ts';
import { type Peer, program, type Started } from './peer.ts';

/** Two haproxy processes, mutual TLS in between. */
export const haproxy: Peer = {
  name: 'haproxy',
  encryption: 'TLS 1.3, certificates on both sides; a TLS connection for each stream',
  needs: ['haproxy'],
  groups: groups.filter((group) => group !== 'relay'),
  async start(stage: Stage): Promise<Started> {
    const { ca, serverBundle, clientBundle } = stage.keys;
    const inner = await stage.ports();
    await startSide(stage, 'client', inner, stage.resources, {
      bind: `ssl crt ${serverBundle} ca-file ${ca} verify required ssl-min-ver TLSv1.3`,
      server: '',
    });
    await stage.listening(Object.values(inner));
    const legs = {
      bulk: await stage.leg(inner.bulk),
      http: await stage.leg(inner.http),
      echo: await stage.leg(inner.echo),
    };
    const fronts = await stage.ports();
    const web = { tls: await stage.port(), http: await stage.port() };
    const server = `ssl verify required ca-file ${ca} crt ${clientBundle} ssl-min-ver TLSv1.3`;
    const resource = `server resource 127.0.0.1:${legs.http} ${server}`;
    const more = `listen tls
  bind 127.0.0.1:${web.tls} ssl crt ${serverBundle}
  ${resource}
listen web
  mode http
  bind 127.0.0.1:${web.http}
  http-reuse always
  ${resource}
`;
    await startSide(stage, 'edge', fronts, legs, { bind: '', server, more });
    await stage.listening([...Object.values(fronts), ...Object.values(web)]);
    return { fronts, web };
  },
};

async function startSide(
  stage: Stage,
  side: 'edge' | 'client',
  from: Ports,
  to: Ports,
  options: { bind: string; server: string; more?: string },
): Promise<void> {
  const listeners = resourceNames.map(
    (name) => `listen ${name}
  bind 127.0.0.1:${from[name]} ${options.bind}
  server resource 127.0.0.1:${to[name]} ${options.server}
`,
  );
  const config = await stage.file(
    `${side}.cfg`,
    `global
  maxconn 9000
defaults
  mode tcp
  timeout connect 10s
  timeout client 1h
  timeout server 1h
${listeners.join('')}${options.more ?? ''}`,
  );
  await stage.start(side, { file: program('haproxy'), args: ['-db', '-f', config] });
}
