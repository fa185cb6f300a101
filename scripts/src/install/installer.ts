/**
 * The list of what can be installed, and the run over it: one line per tool, each attempted whatever became of
 * the others, so that one missing permission does not hide the next.
 */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { cacheFolder, installOnce, installedFolder, readStamp, withLock } from './cache.ts';
import { BUILDX_VERSION, buildImageTools } from './buildx.ts';
import { buildCollector, COLLECTOR_VERSION } from './collector.ts';
import { type DebianPackage, debianPackages, installPackages, missingCommands } from './debian.ts';
import { buildHadolint, HADOLINT_VERSION } from './hadolint.ts';
import { buildH2spec, H2SPEC_VERSION } from './h2spec.ts';
import { buildJaeger, JAEGER_VERSION } from './jaeger.ts';
import { buildKubernetes, KUBERNETES_VERSION } from './kubernetes.ts';
import { buildKubernetesCluster } from './kubernetes-cluster.ts';
import { buildNats, NATS_VERSION } from './nats.ts';
import { buildSecantus, SECANTUS_VERSION } from './secantus.ts';

/** What became of one tool. */
export interface Outcome {
  readonly name: string;
  /** `left out`: it could not be had, and nothing fails without it. */
  readonly state: 'present' | 'installed' | 'left out' | 'failed';
  readonly detail: string;
}

interface Installer {
  readonly name: string;
  /** Installed only when it is named: large, and needed by few. */
  readonly onRequest?: boolean;
  /** Its test is skipped by name where it cannot be had. */
  readonly isOptional?: boolean;
  readonly install: (cache: string, onProgress: Listener) => Promise<{ isNew: boolean; detail: string }>;
}

type Listener = (what: string) => void;

/** What a cluster of Kubernetes needs of Debian: its store, and what its nodes run containers with. */
const clusterPackages: readonly DebianPackage[] = [
  'etcd-server',
  'containerd',
  'runc',
  'containernetworking-plugins',
  'iptables',
];

const installers: readonly Installer[] = [
  { name: 'nats-server', install: (cache) => installCached(cache, 'nats-server', NATS_VERSION, buildNats) },
  { name: 'secantus', install: installSecantus },
  {
    name: 'hadolint',
    install: (cache) => installCached(cache, 'hadolint', HADOLINT_VERSION, buildHadolint),
  },
  {
    name: 'h2spec',
    isOptional: true,
    install: (cache) => installCached(cache, 'h2spec', H2SPEC_VERSION, buildH2spec),
  },
  {
    name: 'kubernetes',
    onRequest: true,
    install: (cache) => installCached(cache, 'kubernetes', KUBERNETES_VERSION, buildKubernetes),
  },
  {
    name: 'kubernetes-cluster',
    onRequest: true,
    install: installKubernetesCluster,
  },
  {
    name: 'buildx',
    onRequest: true,
    install: (cache) => installCached(cache, 'buildx', BUILDX_VERSION, buildImageTools),
  },
  {
    name: 'otel-collector',
    onRequest: true,
    install: (cache) => installCached(cache, 'otel-collector', COLLECTOR_VERSION, buildCollector),
  },
  {
    name: 'jaeger',
    onRequest: true,
    install: (cache) => installCached(cache, 'jaeger', JAEGER_VERSION, buildJaeger),
  },
  ...(Object.keys(debianPackages) as DebianPackage[]).map(debianInstaller),
];

/** Every name that `install` takes. */
export const installerNames: readonly string[] = installers.map((installer) => installer.name);

/** Those of them that are installed only when they are named. */
export const onRequestNames: readonly string[] = installers
  .filter(({ onRequest }) => onRequest === true)
  .map(({ name }) => name);

/** Who is told how far the run is. */
export interface Progress {
  readonly onStart: Listener;
  /** What a tool that takes minutes is at. */
  readonly onProgress: Listener;
  readonly onOutcome: (outcome: Outcome) => void;
}

/** Installs the named tools, or all that are not on request only; tells as each is done. */
export async function install(
  names: readonly string[],
  { onStart, onProgress, onOutcome }: Progress,
): Promise<Outcome[]> {
  const unknown = names.filter((name) => !installerNames.includes(name));
  if (unknown.length > 0)
    throw new Error(`unknown: ${unknown.join(', ')}; known: ${installerNames.join(', ')}`);
  const chosen = installers.filter((installer) =>
    names.length === 0 ? installer.onRequest !== true : names.includes(installer.name),
  );
  const cache = cacheFolder();
  const outcomes: Outcome[] = [];
  for (const installer of chosen) {
    onStart(installer.name);
    const outcome = await attempt(installer, cache, onProgress);
    outcomes.push(outcome);
    onOutcome(outcome);
  }
  return outcomes;
}

async function attempt(installer: Installer, cache: string, onProgress: Listener): Promise<Outcome> {
  try {
    const { isNew, detail } = await installer.install(cache, onProgress);
    return { name: installer.name, state: isNew ? 'installed' : 'present', detail };
  } catch (error) {
    return {
      name: installer.name,
      state: installer.isOptional === true ? 'left out' : 'failed',
      detail: error instanceof Error ? error.message : String(error),
    };
  }
}

async function installCached(
  cache: string,
  name: string,
  version: string,
  build: (folder: string) => Promise<Record<string, string>>,
): Promise<{ isNew: boolean; detail: string }> {
  const { isNew } = await withLock(cache, name, () => installOnce(cache, name, version, build));
  return { isNew, detail: version };
}

/** Its wheels are for one Python: when that is gone, they are fetched anew for the present one. */
async function installSecantus(cache: string): Promise<{ isNew: boolean; detail: string }> {
  const { isNew } = await withLock(cache, 'secantus', async () => {
    const python = readStamp(cache, 'secantus', SECANTUS_VERSION)?.facts['python'];
    if (python !== undefined && !existsSync(python)) {
      await rm(installedFolder(cache, 'secantus', SECANTUS_VERSION), { recursive: true, force: true });
    }
    return installOnce(cache, 'secantus', SECANTUS_VERSION, buildSecantus);
  });
  return { isNew, detail: SECANTUS_VERSION };
}

async function installKubernetesCluster(
  cache: string,
  onProgress: Listener,
): Promise<{ isNew: boolean; detail: string }> {
  const missing = clusterPackages.filter((name) => missingCommands(name).length > 0);
  if (missing.length > 0) await installPackages(missing);
  return installCached(cache, 'kubernetes-cluster', KUBERNETES_VERSION, (folder) =>
    buildKubernetesCluster(folder, onProgress),
  );
}

function debianInstaller(name: DebianPackage): Installer {
  return {
    name,
    onRequest: clusterPackages.includes(name),
    install: async () => {
      if (missingCommands(name).length === 0) return { isNew: false, detail: 'Debian' };
      await installPackages([name]);
      const missing = missingCommands(name);
      if (missing.length > 0) throw new Error(`installed, but without ${missing.join(', ')}`);
      return { isNew: true, detail: 'Debian' };
    },
  };
}
