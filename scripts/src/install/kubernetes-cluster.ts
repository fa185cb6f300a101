/**
 * A real Kubernetes for the charts' tests: its programs, built by Go from their module, and the kinds of Prometheus' operator
 * that charts may make. etcd is Debian's. Ten minutes the first time: only on request (`pnpm service:install kubernetes-cluster`).
 */
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { installedFile } from './cache.ts';
import { findCommand, runCommand } from './command.ts';
import { KUBERNETES_VERSION } from './kubernetes.ts';

const programs = [
  'kube-apiserver',
  'kube-controller-manager',
  'kubectl',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
] as const;
const OPERATOR = 'github.com/prometheus-operator/prometheus-operator@v0.72.0';
const operatorKinds = ['podmonitors', 'prometheusrules'];

type Programs = Readonly<Record<(typeof programs)[number], string>>;

/** Where the programs of a cluster are. */
export type ClusterTools = Programs & {
  readonly etcd: string;
  /** Files that define the kinds of Prometheus' operator. */
  readonly operatorKinds: readonly string[];
};

/** The programs when they are in the cache, and etcd on the machine, else null. */
export function clusterTools(): ClusterTools | null {
  const etcd = findCommand('etcd');
  const folder = installedFile('kubernetes-cluster', KUBERNETES_VERSION);
  if (etcd === null || folder === null) return null;
  return {
    etcd,
    ...(Object.fromEntries(programs.map((name) => [name, join(folder, 'bin', name)])) as Programs),
    operatorKinds: operatorKinds.map((kind) => join(folder, 'kinds', `${kind}.yaml`)),
  };
}

/** Fills `folder` with the programs and the kinds; `onProgress` is told what is being built. */
export async function buildKubernetesCluster(
  folder: string,
  onProgress: (what: string) => void,
): Promise<Record<string, string>> {
  const go = findCommand('go');
  if (go === null) throw new Error('Go, which builds Kubernetes, was not found');
  const work = join(folder, 'work');
  await mkdir(work);
  await writeFile(join(work, 'go.mod'), await moduleFile(go));
  const version = 'k8s.io/component-base/version';
  const [major, minor] = KUBERNETES_VERSION.split('.');
  const named = { gitVersion: `v${KUBERNETES_VERSION}`, gitMajor: major, gitMinor: minor };
  const words = Object.entries(named).map(([name, value]) => `-X ${version}.${name}=${value}`);
  for (const [index, program] of programs.entries()) {
    onProgress(`${program}, ${index + 1} of ${programs.length}, a few minutes the first time`);
    await runCommand(
      go,
      ['build', '-mod=mod', '-trimpath', '-ldflags', ['-s -w', ...words].join(' ')].concat(
        ['-o', join(folder, 'bin', program)],
        `k8s.io/kubernetes/cmd/${program}`,
      ),
      { CGO_ENABLED: '0' },
      work,
    );
  }
  await rm(work, { recursive: true });
  await copyKinds(await moduleFolder(go, OPERATOR), join(folder, 'kinds'));
  return { from: 'go', operator: OPERATOR };
}

/** Kubernetes names its parts by folders that its module does not have: here they are modules of the same version. */
async function moduleFile(go: string): Promise<string> {
  const own = await readFile(
    join(await moduleFolder(go, `k8s.io/kubernetes@v${KUBERNETES_VERSION}`), 'go.mod'),
    'utf8',
  );
  const partVersion = KUBERNETES_VERSION.replace(/^1\./, 'v0.');
  const parts = [...own.matchAll(/^\s+(k8s\.io\/[a-z-]+) => \.\/staging\//gm)].map(([, part = '']) => part);
  return [
    'module local/kubernetes-cluster',
    /^go .*$/m.exec(own)?.[0] ?? '',
    `require k8s.io/kubernetes v${KUBERNETES_VERSION}`,
    ...parts.map((part) => `replace ${part} => ${part} ${partVersion}`),
    '',
  ].join('\n');
}

async function copyKinds(operator: string, folder: string): Promise<void> {
  await mkdir(folder);
  const source = join(operator, 'example', 'prometheus-operator-crd');
  for (const kind of operatorKinds) {
    await copyFile(join(source, `monitoring.coreos.com_${kind}.yaml`), join(folder, `${kind}.yaml`));
  }
}

async function moduleFolder(go: string, module: string): Promise<string> {
  const { Dir } = JSON.parse(await runCommand(go, ['mod', 'download', '-json', module])) as { Dir: string };
  return Dir;
}
