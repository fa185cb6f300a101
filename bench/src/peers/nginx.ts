// nginx in front of a pair of stunnel processes: what one puts there who needs TLS with sessions, or HTTP, at the front.

import { nginxCommand } from '../nginx.ts';
import type { Stage } from '../stage.ts';
import { type Peer, type Started, type WebPorts, webGroups } from './peer.ts';
import { startStunnelPair } from './stunnel.ts';

/** nginx, then stunnel to stunnel. */
export const nginx: Peer = {
  name: 'nginx',
  encryption: 'nginx, then TLS 1.3 between two stunnel, certificates on both sides',
  needs: ['nginx', 'stunnel4'],
  groups: webGroups,
  async start(stage: Stage): Promise<Started> {
    const fronts = await startStunnelPair(stage);
    const web = { tls: await stage.port(), http: await stage.port() };
    await stage.start('edge', await nginxCommand(stage.directory, frontsBefore(stage, fronts.http, web)));
    await stage.listening(Object.values(web));
    return { fronts, web };
  },
};

function frontsBefore({ keys }: Stage, tunnel: number, web: WebPorts): string {
  return `  ssl_certificate ${keys.serverCertificate};
  ssl_certificate_key ${keys.serverKey};
  ssl_session_cache shared:sessions:10m;
  upstream tunnel { server 127.0.0.1:${tunnel}; keepalive 128; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${web.tls} ssl backlog=4096;
    listen 127.0.0.1:${web.http} backlog=4096;
    location / {
      proxy_pass http://tunnel;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }`;
}
