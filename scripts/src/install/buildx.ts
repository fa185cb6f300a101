/**
 * What builds images as users do, without a registry: buildx with its bake, BuildKit's daemon, and syft, which lists what is
 * in an image. Built by Go, which takes a quarter of an hour: only on request (`pnpm service:install buildx`).
 */
import { join } from 'node:path';
import { installedFile } from './cache.ts';
import { type GoProgram, buildGoProgram } from './go-program.ts';

/** The version of buildx, which stands for that of all three. */
export const BUILDX_VERSION = '0.29.1';
const buildx = `github.com/docker/buildx`;
const programs: readonly GoProgram[] = [
  {
    name: 'docker-buildx',
    module: `${buildx}/cmd/buildx@v${BUILDX_VERSION}`,
    flags: `-X ${buildx}/version.Version=v${BUILDX_VERSION}`,
  },
  { name: 'buildkitd', module: 'github.com/moby/buildkit/cmd/buildkitd@v0.25.0' },
  { name: 'syft', module: 'github.com/anchore/syft/cmd/syft@v1.57.1' },
];

/** Where the programs are. */
export interface ImageTools {
  readonly buildx: string;
  readonly buildkitd: string;
  readonly syft: string;
}

/** The programs when they are in the cache, else null. */
export function imageTools(): ImageTools | null {
  const folder = installedFile('buildx', BUILDX_VERSION);
  if (folder === null) return null;
  return {
    buildx: join(folder, 'docker-buildx'),
    buildkitd: join(folder, 'buildkitd'),
    syft: join(folder, 'syft'),
  };
}

/** Fills `folder` with them. */
export async function buildImageTools(folder: string): Promise<Record<string, string>> {
  for (const program of programs) await buildGoProgram(folder, program);
  return { from: 'go' };
}
