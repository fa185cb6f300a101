/**
 * `pnpm cluster`: holds a cluster until it is told to end, by SIGTERM, SIGINT or `pnpm cluster stop`.
 *
 *   boot ──► DIR/cluster.json (0600) ──► `ready` on stdout ──► … ──► stop everything ──► both files gone ──► exit 0
 */
import { rmSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { onLauncherGone } from '@postern/scripts/launcher';
import { type Cluster, bootCluster } from '../platform/cluster.ts';
import { isRunning, serveControl } from './control.ts';

/** The command's options, checked. */
export interface RunOptions {
  readonly state: string;
  readonly nodes: number;
  readonly workers: number;
  readonly nats: number;
  readonly net: string;
}

const CONTROL_ADDRESS = 253;

/** Boots and holds; resolves when everything has ended. */
export async function runCluster(options: RunOptions): Promise<void> {
  const state = resolve(options.state);
  await mkdir(state, { recursive: true, mode: 0o700 });
  if (await isRunning(state)) throw new Error(`a cluster runs on ${state} already`);
  await rm(filePath(state), { force: true });
  const asked = askedToStop(state);
  const booting = bootCluster({ ...options, state });
  const cluster = await Promise.race([booting, asked.then(() => null)]);
  // Asked to stop while it boots: what was started ends when the boot is over, or with this process.
  if (cluster === null) return;
  const { promise: told, resolve: tell } = Promise.withResolvers<void>();
  const stopAll = async (): Promise<void> => {
    await cluster.stop();
    await rm(filePath(state), { force: true });
    tell();
  };
  const control = await serveControl(state, cluster.net.address(CONTROL_ADDRESS), {
    restart: async (name) => {
      await cluster.restart(name);
      await writeClusterFile(cluster);
    },
    stop: stopAll,
  });
  await writeClusterFile(cluster);
  process.stdout.write('ready\n');
  await Promise.race([asked.then(stopAll), told]);
  await control.close();
}

/** By a signal, of which a second one ends at once, or because whoever ran the script took one and did not hand it on. */
function askedToStop(state: string): Promise<void> {
  return new Promise((resolve) => {
    onLauncherGone(resolve);
    let asked = false;
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
      process.on(signal, () => {
        if (asked) endAtOnce(state);
        asked = true;
        resolve();
      });
    }
  });
}

/** What still drains is killed by the guard. */
function endAtOnce(state: string): never {
  rmSync(filePath(state), { force: true });
  return process.exit(0);
}

/** Written whole or not at all: scripts read it while a part is started again. */
async function writeClusterFile(cluster: Cluster): Promise<void> {
  const { adminUrl, apiKey, caFile, connectUrl, platformHost, processes } = cluster;
  const text = JSON.stringify({ adminUrl, apiKey, caFile, connectUrl, platformHost, processes }, null, 2);
  const path = filePath(cluster.state);
  await writeFile(`${path}.new`, `${text}\n`, { mode: 0o600 });
  await rename(`${path}.new`, path);
}

function filePath(state: string): string {
  return join(state, 'cluster.json');
}
