/** A real squid that passes CONNECT on for who shows a name and password, as companies' proxies do. */
import { execFileSync } from 'node:child_process';
import { tool } from '@postern/scripts/install';
import { accountOf } from '../process/account.ts';
import { type ProcessResource, startResource } from './resource.ts';

/** squid with the credentials that it takes. */
export interface ProxyServer extends ProcessResource {
  readonly user: string;
  readonly password: string;
  /** `http://user:password@host:port`. */
  readonly url: string;
}

/** Resolves when it takes connections. */
export async function startSquid(): Promise<ProxyServer> {
  const user = 'operator';
  const password = 'p@ss:word';
  const resource = await startResource(
    'squid',
    async ({ folder, port, file }) => {
      const line = execFileSync(tool('htpasswd'), ['-nbm', user, password], { encoding: 'utf8' });
      const passwords = await file('passwords', line);
      return {
        command: tool('squid'),
        args: ['-N', '-d', '1', '-f', await file('squid.conf', configuration(folder, port, passwords))],
        // It says that it accepts a moment before it listens.
        ready: { host: '127.0.0.1', port },
      };
    },
    accountOf('proxy'),
  );
  const url = `http://${user}:${encodeURIComponent(password)}@${resource.host}:${resource.port}`;
  return { ...resource, user, password, url };
}

function configuration(folder: string, port: number, passwords: string): string {
  return `
http_port 127.0.0.1:${port}
auth_param basic program ${tool('basic_ncsa_auth')} ${passwords}
auth_param basic realm postern
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
cache deny all
access_log stdio:${folder}/access.log
cache_log ${folder}/cache.log
pid_filename none
coredump_dir ${folder}
shutdown_lifetime 0 seconds
visible_hostname postern-test
pinger_enable off
`;
}
