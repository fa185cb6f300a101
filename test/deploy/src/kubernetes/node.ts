/**
 * A machine on the test's bridge that is a node of the cluster, on which pods run. Its control groups are the one thing of it
 * that the kernel does not take away with its processes.
 */
import { existsSync, mkdirSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '../caller.ts';
import { Machine } from '../network/machine.ts';
import type { ControlPlane } from './control-plane.ts';
import { type NodeFiles, type NodePlace, writeNodeFiles } from './node-file.ts';

const controlGroups = '/sys/fs/cgroup';
const shareOfProcess = 1_024;
const processes = 12;
const readyWithinMs = 120_000;
const goneWithinMs = 10_000;

/** What a node is told beside what it makes of itself. */
export interface NodeOptions {
  readonly name: string;
  readonly address: string;
  readonly dnsServer: string;
  readonly podNet: string;
  readonly programs: NodeFiles['programs'];
  /** An archive of images, and which of them holds a pod's namespaces. */
  readonly images: string;
  readonly pauseImage: string;
}

/** A running node. */
export class KubernetesNode implements AsyncDisposable {
  readonly #machine: Machine;
  readonly #controlGroup: string;

  private constructor(machine: Machine, controlGroup: string) {
    this.#machine = machine;
    this.#controlGroup = controlGroup;
  }

  /** Starts it; resolves when it takes pods. */
  static async start(plane: ControlPlane, options: NodeOptions): Promise<KubernetesNode> {
    const { name, address, images, programs } = options;
    const folder = join(plane.folder, name);
    await mkdir(folder);
    const controlGroup = `/${basename(plane.folder)}-${name}`;
    for (const hierarchy of hierarchies()) mkdirSync(join(hierarchy, controlGroup));
    // A group has the share of one process, whatever is in it.
    const shares = join(controlGroups, 'cpu', controlGroup, 'cpu.shares');
    if (existsSync(shares)) writeFileSync(shares, String(processes * shareOfProcess));
    const kubeconfigs: NodePlace['kubeconfigs'] = {
      node: plane.kubeconfig('node'),
      'kube-proxy': plane.kubeconfig('kube-proxy'),
    };
    writeNodeFiles({ ...options, folder, controlGroup, kubeconfigs }, { images, programs });
    const main = fileURLToPath(new URL('../process/kubernetes-node.ts', import.meta.url));
    const machine = await Machine.start({
      name,
      address,
      command: [process.execPath, main, folder],
      logFile: join(folder, 'machine.log'),
    });
    const node = new KubernetesNode(machine, controlGroup);
    try {
      await until(`${name} is ready`, readyWithinMs, () => isReady(plane, name));
      return node;
    } catch (error) {
      await node.stop();
      throw error;
    }
  }

  /** Kills it and all that runs on it. */
  async stop(): Promise<void> {
    await this.#machine.kill();
    await until('its control groups are empty', goneWithinMs, () =>
      Promise.resolve(hierarchies().every((hierarchy) => removeTree(join(hierarchy, this.#controlGroup)))),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

async function isReady(plane: ControlPlane, name: string): Promise<boolean> {
  const { items } = await plane.get<{
    items: readonly { metadata: { name: string }; status: { conditions?: readonly Condition[] } }[];
  }>('nodes');
  const node = items.find(({ metadata }) => metadata.name === name);
  return node?.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;
}

interface Condition {
  readonly type: string;
  readonly status: string;
}

function hierarchies(): string[] {
  return readdirSync(controlGroups, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(controlGroups, name));
}

/** Whether it is gone: a group with a process in it cannot be removed. */
function removeTree(group: string): boolean {
  if (!existsSync(group)) return true;
  for (const entry of readdirSync(group, { withFileTypes: true })) {
    if (entry.isDirectory() && !removeTree(join(group, entry.name))) return false;
  }
  try {
    rmdirSync(group);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EBUSY') return false;
    throw error;
  }
}
