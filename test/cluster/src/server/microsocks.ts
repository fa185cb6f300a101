/** A real SOCKS 5 proxy that asks for nothing; it resolves names by the machine's own means. */
import { tool } from '@postern/scripts/install';
import { type ProcessResource, startResource } from './resource.ts';

/** Resolves when it takes connections. */
export function startMicrosocks(): Promise<ProcessResource> {
  return startResource('microsocks', async ({ port }) => ({
    command: tool('microsocks'),
    args: ['-i', '127.0.0.1', '-p', String(port)],
    ready: { host: '127.0.0.1', port },
  }));
}
