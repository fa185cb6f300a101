/** Standalone as a process of the harness: what users run, on an address of its own. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AdminClient } from '../admin/admin-client.ts';
import { takeLoopbackNet } from '../network/loopback-net.ts';
import { Part } from '../process/part.ts';
import { makeScratch, removeScratch } from '../process/scratch.ts';
import type { Platform } from './platform.ts';
import { rootFolder } from './service-part.ts';

/** How it is to be. */
export interface StandaloneOptions {
  /** Keeps everything; a temporary folder that goes with the platform when none is given. */
  readonly state?: string;
  /** Further flags. */
  readonly args?: readonly string[];
  readonly logLevel?: string;
}

/** A platform whose one process can be killed and started again; it finds its ports again in its folder. */
export interface StandaloneProcess extends Platform {
  readonly part: Part;
  readonly state: string;
}

interface OperatorFile {
  readonly adminUrl: string;
  readonly apiKey: string;
  readonly caFile: string;
  readonly connectUrl: string;
  readonly platformHost: string;
}

/** Boots it; resolves when it has written `ready`. */
export async function bootStandalone(options: StandaloneOptions = {}): Promise<StandaloneProcess> {
  const net = await takeLoopbackNet();
  const state = options.state ?? (await makeScratch('standalone'));
  const host = net.address(1);
  const where = ['--listen-host', host, '--admin-host', host, '--front-host', host];
  const ports = ['--connect-port', '0', '--http-port', '0', '--tunnel-port', '0', '--admin-port', '0'];
  const part = new Part({
    name: 'standalone',
    command: process.execPath,
    args: [
      join(rootFolder, 'apps', 'standalone', 'src', 'main.ts'),
      '--state',
      state,
      ...where,
      ...ports,
      '--log-level',
      options.logLevel ?? 'info',
      ...(options.args ?? []),
    ],
    folder: rootFolder,
    logFile: join(state, 'standalone.log'),
    ready: { line: /^ready$/ },
    stopWithinMs: 5_000,
  });
  const stop = async (): Promise<void> => {
    await part.stop();
    net.release();
    if (options.state === undefined) removeScratch(state);
  };
  try {
    await part.start();
  } catch (error) {
    await stop();
    throw error;
  }
  return { ...platformIn(state, host, stop), part, state };
}

/** A standalone that serves at an address, by what it wrote into its folder. */
export function platformIn(state: string, host: string, stopAll: () => Promise<void>): Platform {
  const read = (name: string): unknown => JSON.parse(readFileSync(join(state, name), 'utf8'));
  const { adminUrl, apiKey, caFile, connectUrl, platformHost } = read('operator.json') as OperatorFile;
  const { http: httpPort } = read('ports.json') as { http: number };
  const admin = new AdminClient({ adminUrl, apiKey, caPem: readFileSync(caFile, 'utf8') });
  const stop = async (): Promise<void> => {
    admin.close();
    await stopAll();
  };
  return {
    adminUrl,
    apiKey,
    caFile,
    connectUrl,
    platformHost,
    admin,
    nodeHosts: [host],
    httpPort,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
