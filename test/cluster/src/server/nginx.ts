/**
 * A real nginx: `/` answers a short text, `/files/<name>` serves what is in its folder `www` and takes WebDAV, `/echo`
 * tells the method, host and user agent of the request.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { tool } from '@postern/scripts/install';
import type { ServerTls } from './redis.ts';
import { type ProcessResource, startResource } from './resource.ts';

const TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

/** How it is to be. */
export interface NginxOptions {
  /** Every connection begins with a PROXY header; `/caller` tells what it says. */
  readonly proxyProtocol?: boolean;
  /** Every connection is TLS with this pair. */
  readonly tls?: ServerTls;
}

/** Resolves when it takes connections; files put into `<folder>/www` are served below `/files/`. */
export function startNginx({ proxyProtocol = false, tls }: NginxOptions = {}): Promise<ProcessResource> {
  return startResource('nginx', async ({ folder, port, file }) => {
    await mkdir(join(folder, 'www'), { mode: 0o755 });
    const path = await file(
      'nginx.conf',
      configuration(folder, port, { proxyProtocol, tls: tls === undefined ? '' : await tlsLines(tls, file) }),
    );
    return {
      command: tool('nginx'),
      args: ['-e', 'stderr', '-p', folder, '-c', path],
      ready: { line: /start worker processes/ },
      stopSignal: 'SIGTERM',
    };
  });
}

async function tlsLines(
  { chainPem, keyPem, clientCaPem }: ServerTls,
  file: (name: string, text: string) => Promise<string>,
): Promise<string> {
  const lines = [
    `ssl_certificate ${await file('cert.pem', chainPem)};`,
    `ssl_certificate_key ${await file('key.pem', keyPem)};`,
  ];
  if (clientCaPem !== null) {
    lines.push(`ssl_client_certificate ${await file('ca.pem', clientCaPem)};`, 'ssl_verify_client on;');
  }
  return lines.map((line) => `\n    ${line}`).join('');
}

function configuration(
  folder: string,
  port: number,
  { proxyProtocol, tls }: { proxyProtocol: boolean; tls: string },
): string {
  // Workers stay with the user who runs the tests, so that they can read what the tests write.
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  const temporary = TEMPORARY.map((name) => `  ${name}_temp_path ${join(folder, name)};`).join('\n');
  return `
daemon off;
${user}
worker_processes 1;
error_log stderr notice;
pid ${join(folder, 'nginx.pid')};
events { worker_connections 8192; }
http {
  access_log off;
  sendfile on;
  tcp_nodelay on;
  keepalive_requests 1000000;
  default_type application/octet-stream;
  client_max_body_size 0;
${temporary}
  server {
    listen 127.0.0.1:${port} backlog=4096${tls === '' ? '' : ' ssl'}${proxyProtocol ? ' proxy_protocol' : ''};${tls}
    location = / { default_type text/plain; return 200 "hello from behind the gateway\\n"; }
    location = /echo { default_type text/plain; return 200 "$request_method $host $http_user_agent\\n"; }
    location = /caller { default_type text/plain; return 200 "$proxy_protocol_addr $proxy_protocol_port\\n"; }
    location /files/ { alias ${join(folder, 'www')}/; dav_methods PUT DELETE MKCOL COPY MOVE; }
  }
}
`;
}
