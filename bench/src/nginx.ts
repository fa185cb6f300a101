// nginx in the foreground with one worker, as the resource of a run and as a peer.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { program } from './peers/peer.ts';
import type { Command } from './program.ts';

/** Writes a configuration with these lines in its http block; everything that nginx writes stays in the folder. */
export async function nginxCommand(directory: string, http: string): Promise<Command> {
  const config = join(directory, 'nginx.conf');
  const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${directory};`,
  );
  await writeFile(
    config,
    `daemon off;
worker_processes 1;
${process.getuid?.() === 0 ? 'user root;' : ''}
pid ${directory}/nginx.pid;
events { worker_connections 8192; }
http {
  access_log off;
  keepalive_requests 1000000000;
  ${folders.join(' ')}
${http}
}
`,
    { mode: 0o600 },
  );
  return { file: program('nginx'), args: ['-c', config, '-e', join(directory, 'nginx.log')] };
}
