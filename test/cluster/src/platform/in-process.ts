/**
 * The whole platform inside the test's own process: the very code of standalone, on the in-process bus and SQLite in a
 * temporary folder, on an address of its own. For tests that need a platform and no process to kill.
 */
import type { PlatformSettings } from '@postern/standalone';
import { createLogger } from '@postern/telemetry';
import { takeLoopbackNet } from '../network/loopback-net.ts';
import { makeScratch, removeScratch } from '../process/scratch.ts';
import type { Platform } from './platform.ts';
import { platformIn } from './standalone-process.ts';

/** How a platform in this process is to be. */
export interface InProcessOptions {
  /** Keeps everything; a temporary folder that goes with the platform when none is given. */
  readonly state?: string;
  readonly settings?: Partial<PlatformSettings>;
  /** Its log goes to stderr when given. */
  readonly logLevel?: 'debug' | 'info' | 'warn' | 'error';
}

/** Boots it; resolves when it serves. */
export async function bootInProcess(options: InProcessOptions = {}): Promise<Platform> {
  // Not at the top: whoever boots processes need not load every service.
  const { createPlatform } = await import('@postern/standalone');
  const net = await takeLoopbackNet();
  const state = options.state ?? (await makeScratch('in-process'));
  const host = net.address(1);
  const platform = createPlatform({
    state,
    version: '0.0.0-test',
    settings: {
      listenHost: host,
      adminHost: host,
      frontHost: host,
      connectPort: 0,
      httpPort: 0,
      tunnelPort: 0,
      adminPort: 0,
      ...options.settings,
    },
    ...(options.logLevel === undefined
      ? {}
      : { logger: createLogger({ name: 'in-process', level: options.logLevel }) }),
  });
  const stop = async (): Promise<void> => {
    await platform.stop();
    net.release();
    if (options.state === undefined) removeScratch(state);
  };
  try {
    await platform.start();
  } catch (error) {
    await stop();
    throw error;
  }
  return platformIn(state, host, stop);
}
