/**
 * Kubernetes without a machine to run on: etcd, the API server and the controllers, in a folder and on ports of their own.
 * Objects are validated and admitted, Deployments and StatefulSets make their pods, and the pods wait for a node.
 *
 * Everyone enters by a token of a file. Nothing is kept: etcd need not wait for the disk.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ClusterTools, clusterTools, kubernetesTools, runCommand } from '@postern/scripts/install';
import { type Part, makeScratch, removeScratch, startPart } from '@postern/test-cluster';
import { freePort } from '@postern/test-kit';
import { until } from '../caller.ts';

/** What a control plane is made of. */
export type ControlPlaneTools = ClusterTools & { readonly helm: string };

/** The programs, or why there can be no control plane. */
export function controlPlaneTools(): ControlPlaneTools | string {
  const charts = kubernetesTools();
  const cluster = clusterTools();
  if (charts === null) return 'helm is not installed; pnpm service:install kubernetes';
  if (cluster === null) return 'Kubernetes is not installed; pnpm service:install kubernetes-cluster';
  return { ...cluster, helm: charts.helm };
}

/** What the API server says of a kind that was added to it. */
interface CustomKind {
  readonly status?: { readonly conditions?: readonly { type: string; status: string }[] | null };
}

/** Who enters, and by which name and group the API server knows them. */
const users = {
  admin: ['admin', 'system:masters'],
  'kube-controller-manager': ['system:kube-controller-manager', ''],
  'kube-scheduler': ['system:kube-scheduler', ''],
  'kube-proxy': ['system:kube-proxy', ''],
  node: ['system:node:node-1', 'system:nodes'],
} as const;
const serviceAddresses = '10.96.0.0/16';
const startsWithinMs = 60_000;

/** A running control plane. */
export class ControlPlane implements AsyncDisposable {
  readonly folder: string;
  readonly #tools: ControlPlaneTools;
  readonly #host: string;
  readonly #port: number;
  readonly #tokens = new Map<string, string>();
  readonly #parts: Part[] = [];

  private constructor(tools: ControlPlaneTools, folder: string, host: string, port: number) {
    this.folder = folder;
    this.#tools = tools;
    this.#host = host;
    this.#port = port;
  }

  /** Starts one; resolves when it answers and knows the kinds of Prometheus' operator. With `nodes` pods are given to them. */
  static async start(
    tools: ControlPlaneTools,
    { host = '127.0.0.1', nodes = false }: { host?: string; nodes?: boolean } = {},
  ): Promise<ControlPlane> {
    const folder = await makeScratch('kubernetes');
    const plane = new ControlPlane(tools, folder, host, await freePort(host));
    try {
      await plane.#start();
      if (nodes) await plane.#startWithKubeconfig('kube-scheduler', {});
      return plane;
    } catch (error) {
      await plane.stop();
      throw error;
    }
  }

  /** Runs kubectl as a cluster's administrator. */
  kubectl(...args: string[]): Promise<string> {
    return runCommand(this.#tools.kubectl, ['--kubeconfig', this.kubeconfig('admin'), ...args]);
  }

  /** What kubectl gets, as it is. */
  async get<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.kubectl('get', ...args, '--output', 'json')) as T;
  }

  /** Runs helm as a cluster's administrator. */
  helm(...args: string[]): Promise<string> {
    return runCommand(this.#tools.helm, args, {
      KUBECONFIG: this.kubeconfig('admin'),
      HELM_CACHE_HOME: join(this.folder, 'helm'),
      HELM_CONFIG_HOME: join(this.folder, 'helm'),
      HELM_DATA_HOME: join(this.folder, 'helm'),
    });
  }

  /** The file by which a user finds and enters the API server. */
  kubeconfig(user: keyof typeof users): string {
    return join(this.folder, `${user}.json`);
  }

  /** Ends all of it, last started first. */
  async stop(): Promise<void> {
    for (const part of this.#parts.splice(0).toReversed()) await part.stop();
    removeScratch(this.folder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #start(): Promise<void> {
    await this.#writeEntries();
    const etcd = await this.#startEtcd();
    await this.#startApiServer(etcd);
    await this.#startControllers();
    for (const kinds of this.#tools.operatorKinds) {
      await this.kubectl('create', '--filename', kinds);
      // Not `kubectl wait`, which ends as failed where a kind is too new to have any condition.
      await until(`${kinds} is established`, 60_000, async () => {
        const { status } = await this.get<CustomKind>('--filename', kinds);
        return (
          status?.conditions?.some((one) => one.type === 'Established' && one.status === 'True') === true
        );
      });
    }
  }

  async #writeEntries(): Promise<void> {
    const lines = Object.entries(users).map(([user, [name, group]]) => {
      const token = randomBytes(16).toString('hex');
      this.#tokens.set(user, token);
      return `${token},${name},${user},"${group}"`;
    });
    await writeFile(join(this.folder, 'tokens'), `${lines.join('\n')}\n`, { mode: 0o600 });
    const { privateKey, publicKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    });
    await writeFile(join(this.folder, 'accounts.key'), privateKey, { mode: 0o600 });
    await writeFile(join(this.folder, 'accounts.pub'), publicKey);
    for (const [user, token] of this.#tokens) {
      const configuration = {
        apiVersion: 'v1',
        kind: 'Config',
        clusters: [
          {
            name: 'test',
            cluster: {
              server: `https://${this.#host}:${this.#port}`,
              'certificate-authority': join(this.folder, 'certificates', 'apiserver.crt'),
            },
          },
        ],
        users: [{ name: user, user: { token } }],
        contexts: [{ name: 'test', context: { cluster: 'test', user } }],
        'current-context': 'test',
      };
      await writeFile(join(this.folder, `${user}.json`), JSON.stringify(configuration), { mode: 0o600 });
    }
  }

  async #startEtcd(): Promise<string> {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const peer = `http://127.0.0.1:${await freePort()}`;
    await this.#startPart('etcd', {
      command: this.#tools.etcd,
      flags: {
        'data-dir': join(this.folder, 'etcd'),
        'unsafe-no-fsync': 'true',
        'listen-client-urls': url,
        'advertise-client-urls': url,
        'listen-peer-urls': peer,
        'initial-advertise-peer-urls': peer,
        'initial-cluster': `default=${peer}`,
      },
      ready: { host: '127.0.0.1', port },
    });
    return url;
  }

  async #startApiServer(etcd: string): Promise<void> {
    await this.#startPart('kube-apiserver', {
      command: this.#tools['kube-apiserver'],
      flags: {
        'etcd-servers': etcd,
        'bind-address': this.#host,
        'advertise-address': this.#host,
        'secure-port': this.#port,
        'cert-dir': join(this.folder, 'certificates'),
        'token-auth-file': join(this.folder, 'tokens'),
        'authorization-mode': 'Node,RBAC',
        'service-account-issuer': 'https://kubernetes.default.svc',
        'service-account-key-file': join(this.folder, 'accounts.pub'),
        'service-account-signing-key-file': join(this.folder, 'accounts.key'),
        'service-cluster-ip-range': serviceAddresses,
        'kubelet-preferred-address-types': 'InternalIP',
        // It would tell pods of an address that is the machine's own.
        'endpoint-reconciler-type': 'none',
      },
      ready: { host: this.#host, port: this.#port },
    });
    await until('the API server is ready', startsWithinMs, () =>
      this.kubectl('get', '--raw', '/readyz').then(
        () => true,
        () => false,
      ),
    );
  }

  async #startControllers(): Promise<void> {
    await this.#startWithKubeconfig('kube-controller-manager', {
      'use-service-account-credentials': 'true',
      'service-account-private-key-file': join(this.folder, 'accounts.key'),
      'service-cluster-ip-range': serviceAddresses,
    });
  }

  async #startWithKubeconfig(
    name: 'kube-controller-manager' | 'kube-scheduler',
    more: Record<string, string>,
  ): Promise<void> {
    await this.#startPart(name, {
      command: this.#tools[name],
      flags: { kubeconfig: this.kubeconfig(name), 'leader-elect': 'false', 'secure-port': 0, ...more },
      ready: null,
    });
  }

  async #startPart(
    name: string,
    {
      command,
      flags,
      ready,
    }: {
      command: string;
      flags: Record<string, string | number>;
      ready: { host: string; port: number } | null;
    },
  ): Promise<void> {
    const part = await startPart({
      name,
      command,
      args: Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`),
      logFile: join(this.folder, `${name}.log`),
      ready,
      readyWithinMs: startsWithinMs,
    });
    this.#parts.push(part);
  }
}
