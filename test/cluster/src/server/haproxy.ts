/**
 * A real haproxy as a balancer in front of nodes: a TCP pipe that tells them by a PROXY header who calls, from an
 * address of its own.
 */
import { tool } from '@postern/scripts/install';
import { type ProcessResource, startResource } from './resource.ts';

/** Where it sends its callers, and how it introduces them. */
export interface HaproxyOptions {
  readonly target: { readonly host: string; readonly port: number };
  /** Its own address towards the target. */
  readonly source: string;
  readonly version: 1 | 2;
}

/** Resolves when it takes connections. */
export function startHaproxy({ target, source, version }: HaproxyOptions): Promise<ProcessResource> {
  const send = version === 1 ? 'send-proxy' : 'send-proxy-v2';
  return startResource('haproxy', async ({ port, file }) => {
    const lines = [
      'global',
      '  log stderr format raw daemon notice',
      'defaults',
      '  mode tcp',
      '  timeout connect 10s',
      '  timeout client 60s',
      '  timeout server 60s',
      'frontend callers',
      `  bind 127.0.0.1:${port}`,
      '  default_backend node',
      'backend node',
      `  server node ${target.host}:${target.port} source ${source} ${send}`,
    ];
    return {
      command: tool('haproxy'),
      args: ['-db', '-f', await file('haproxy.cfg', `${lines.join('\n')}\n`)],
      ready: { host: '127.0.0.1', port },
      stopSignal: 'SIGTERM',
    };
  });
}
