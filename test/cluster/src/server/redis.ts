/** A real Redis that keeps nothing on disk. */
import { tool } from '@postern/scripts/install';
import { type ProcessResource, startResource } from './resource.ts';

/** Resolves when it takes connections. */
export function startRedis(): Promise<ProcessResource> {
  return startResource('redis', async ({ folder, port, file }) => {
    const lines = [
      'bind 127.0.0.1',
      `port ${port}`,
      'save ""',
      'appendonly no',
      `dir ${folder}`,
      'daemonize no',
    ];
    return {
      command: tool('redis-server'),
      args: [await file('redis.conf', `${lines.join('\n')}\n`)],
      ready: { line: /Ready to accept connections/ },
    };
  });
}
