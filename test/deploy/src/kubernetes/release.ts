/**
 * A namespace that lets in only what the chart promises: the Pod Security Standard `restricted` is enforced, and told of
 * templates as well, and a quota refuses every pod that does not say what it requests and where its memory ends.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../caller.ts';
import { type ChartCase, chartFolder, setArguments } from './chart.ts';
import type { ControlPlane } from './control-plane.ts';

const admittedWithinMs = 30_000;

/** What is looked at of an object. */
export interface KubernetesObject {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly generation?: number;
    readonly deletionTimestamp?: string;
  };
  readonly spec: {
    readonly replicas?: number;
    readonly ports?: readonly { name: string; port: number; nodePort?: number }[];
    readonly clusterIP?: string;
    readonly healthCheckNodePort?: number;
    readonly template?: unknown;
  };
  readonly status?: {
    readonly hard?: object;
    readonly observedGeneration?: number;
    readonly updatedReplicas?: number;
    readonly expectedPods?: number;
  };
  /** Of an event. */
  readonly reason?: string;
  readonly message?: string;
  readonly data?: Readonly<Record<string, string>>;
}

/** Objects as kubectl lists them. */
export interface KubernetesList {
  readonly items: readonly KubernetesObject[];
}

/** Makes the namespace; resolves when its rules are in force. */
export async function makeStrictNamespace(plane: ControlPlane, namespace: string): Promise<void> {
  const modes = ['enforce', 'warn', 'audit'].flatMap((mode) => [
    [`pod-security.kubernetes.io/${mode}`, 'restricted'],
    [`pod-security.kubernetes.io/${mode}-version`, 'latest'],
  ]);
  const file = join(plane.folder, `${namespace}.json`);
  const objects = [
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: namespace, labels: Object.fromEntries(modes) },
    },
    {
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: { name: 'said', namespace },
      spec: { hard: { 'requests.cpu': '1k', 'requests.memory': '1Ti', 'limits.memory': '1Ti' } },
    },
  ];
  await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
  await plane.kubectl('create', '--filename', file);
  await until('the quota is in force and there is an account for pods', admittedWithinMs, async () => {
    const quota = await plane.get<KubernetesObject>('--namespace', namespace, 'resourcequota', 'said');
    const accounts = await plane.get<KubernetesList>('--namespace', namespace, 'serviceaccounts');
    return (
      quota.status?.hard !== undefined && accounts.items.some(({ metadata }) => metadata.name === 'default')
    );
  });
}

/** A chart's release in a namespace. */
export class Release {
  readonly #plane: ControlPlane;
  readonly #namespace: string;
  readonly #name: string;

  constructor(plane: ControlPlane, namespace: string, name = 'gateway') {
    this.#plane = plane;
    this.#namespace = namespace;
    this.#name = name;
  }

  /** Has the API server look at every object as if it were made; a word of warning is a failure. */
  async dryRun({ chart, set }: ChartCase): Promise<string> {
    const file = join(this.#plane.folder, `${this.#namespace}.yaml`);
    await writeFile(
      file,
      await this.#helm('template', '--validate', this.#name, join(chartFolder, chart), ...setArguments(set)),
    );
    const strict = ['--dry-run=server', '--validate=strict', '--warnings-as-errors'];
    return this.#plane.kubectl('apply', ...strict, '--namespace', this.#namespace, '--filename', file);
  }

  /** Installs it, or upgrades it to these values alone. */
  async put({ chart, set }: ChartCase): Promise<void> {
    const options = ['--install', '--reset-values', ...setArguments(set)];
    await this.#helm('upgrade', this.#name, join(chartFolder, chart), ...options);
  }

  /** Returns to a revision. */
  async rollback(revision: number): Promise<void> {
    await this.#helm('rollback', this.#name, String(revision));
  }

  /** Removes it. */
  async remove(): Promise<void> {
    await this.#helm('uninstall', this.#name);
  }

  /** Objects of these kinds. */
  async objects(kinds: string): Promise<readonly KubernetesObject[]> {
    return (await this.#plane.get<KubernetesList>('--namespace', this.#namespace, kinds)).items;
  }

  /** One object. */
  object(kind: string, name: string): Promise<KubernetesObject> {
    return this.#plane.get<KubernetesObject>('--namespace', this.#namespace, kind, `${this.#name}${name}`);
  }

  /**
   * Resolves when every pod that its templates ask for is there, or after an upgrade one of each template, since no pod gets
   * ready here and makes place for the next; and its budgets count them. A refusal is a failure.
   */
  async untilAdmitted(pods: 'all' | 'one' = 'all'): Promise<void> {
    await until('every pod is admitted', admittedWithinMs, async () => {
      const objects = await this.objects('deployments,statefulsets,poddisruptionbudgets,events');
      const refusals = objects
        .filter(({ reason }) => reason === 'FailedCreate')
        .map(({ message }) => message);
      if (refusals.length > 0) throw new Error(refusals.join('\n'));
      const budgets = objects.filter(({ kind }) => kind === 'PodDisruptionBudget');
      const sets = objects.filter(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet');
      return (
        sets.length > 0 &&
        budgets.length === sets.length &&
        sets.every((one) => isAdmitted(one, pods === 'all' ? (one.spec.replicas ?? 0) : 1)) &&
        budgets.every(({ metadata, status }) => {
          const guarded = sets.find((one) => one.metadata.name === metadata.name);
          return guarded !== undefined && status?.expectedPods === guarded.spec.replicas;
        })
      );
    });
  }

  #helm(...args: string[]): Promise<string> {
    return this.#plane.helm(...args, '--namespace', this.#namespace);
  }
}

/** Whether the controller has seen it as it is now, and made so many of its pods. */
function isAdmitted({ metadata, status }: KubernetesObject, pods: number): boolean {
  return status?.observedGeneration === metadata.generation && (status?.updatedReplicas ?? 0) >= pods;
}
