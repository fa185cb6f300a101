/** A real SOCKS 5 proxy, which resolves names by the machine's own means. */
import { tool } from '@postern/scripts/install';
import { type ProcessResource, startResource } from './resource.ts';

/** Resolves when it takes connections. It asks for nothing, or for these credentials. */
export function startMicrosocks(credentials?: { user: string; password: string }): Promise<ProcessResource> {
  const { user = '', password = '' } = credentials ?? {};
  const signIn = credentials === undefined ? [] : ['-u', user, '-P', password];
  return startResource('microsocks', async ({ port }) => ({
    command: tool('microsocks'),
    args: ['-i', '127.0.0.1', '-p', String(port), ...signIn],
    ready: { host: '127.0.0.1', port },
  }));
}
