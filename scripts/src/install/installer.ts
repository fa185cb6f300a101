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
/** Fills a folder; what it gives is for the stamp. */
type Build = (folder: string) => Promise<Record<string, string>>;

/** What a cluster of Kubernetes needs of Debian: its store, and what its nodes run containers with. */
const clusterPackages: readonly DebianPackage[] = [
  'etcd-server',
  'containerd',
  'runc',
  'containernetworking-plugins',
  'iptables',
];

const onRequest = { onRequest: true };
const installers: readonly Installer[] = [
  cached('nats-server', NATS_VERSION, buildNats),
  { name: 'secantus', install: installSecantus },
  cached('hadolint', HADOLINT_VERSION, buildHadolint),
  cached('h2spec', H2SPEC_VERSION, buildH2spec, { isOptional: true }),
  cached('kubernetes', KUBERNETES_VERSION, buildKubernetes, onRequest),
  { name: 'kubernetes-cluster', ...onRequest, install: installKubernetesCluster },
  cached('buildx', BUILDX_VERSION, buildImageTools, onRequest),
  cached('otel-collector', COLLECTOR_VERSION, buildCollector, onRequest),
  cached('jaeger', JAEGER_VERSION, buildJaeger, onRequest),
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

function cached(
  name: string,
  version: string,
  build: Build,
  when: Pick<Installer, 'onRequest' | 'isOptional'> = {},
): Installer {
  return { name, ...when, install: (cache) => installCached(cache, name, version, build) };
}

async function installCached(
  cache: string,
  name: string,
  version: string,
  build: Build,
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
