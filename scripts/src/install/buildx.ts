/**
 * What builds images as users do, without a registry: buildx with its bake, BuildKit's daemon, and syft, which lists what is
 * in an image. Built by Go, which takes a quarter of an hour: only on request (`pnpm service:install buildx`).
 */
import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder, installedFolder } from './cache.ts';
import { findCommand, runCommand } from './command.ts';

/** The version of buildx, which stands for that of all three. */
export const BUILDX_VERSION = '0.29.1';
const buildx = `github.com/docker/buildx`;
const programs = [
  {
    name: 'docker-buildx',
    module: `${buildx}/cmd/buildx@v${BUILDX_VERSION}`,
    flags: ` -X ${buildx}/version.Version=v${BUILDX_VERSION}`,
  },
  { name: 'buildkitd', module: 'github.com/moby/buildkit/cmd/buildkitd@v0.25.0', flags: '' },
  { name: 'syft', module: 'github.com/anchore/syft/cmd/syft@v1.57.1', flags: '' },
] as const;

/** Where the programs are. */
export interface ImageTools {
  readonly buildx: string;
  readonly buildkitd: string;
  readonly syft: string;
}

/** The programs when they are in the cache, else null. */
export function imageTools(cache = cacheFolder()): ImageTools | null {
  const folder = installedFolder(cache, 'buildx', BUILDX_VERSION);
  if (!existsSync(folder)) return null;
  return {
    buildx: join(folder, 'docker-buildx'),
    buildkitd: join(folder, 'buildkitd'),
    syft: join(folder, 'syft'),
  };
}

/** Fills `folder` with them: each in a module of its own, since theirs replace modules, which `go install` refuses. */
export async function buildImageTools(folder: string): Promise<Record<string, string>> {
  const go = findCommand('go');
  if (go === null) throw new Error('Go, which builds buildx, was not found');
  const environment = { CGO_ENABLED: '0', GOFLAGS: '-mod=mod' };
  for (const { name, module, flags } of programs) {
    const work = join(folder, `work-${name}`);
    await mkdir(work);
    await runCommand(go, ['mod', 'init', `local/${name}`], environment, work);
    await runCommand(go, ['get', module], environment, work);
    const [path = ''] = module.split('@');
    const linker = ['-trimpath', '-ldflags', `-s -w${flags}`];
    await runCommand(go, ['build', ...linker, '-o', join(folder, name), path], environment, work);
    await rm(work, { recursive: true });
  }
  return { from: 'go' };
}
