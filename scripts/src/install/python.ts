/** A Python with pip, which brings some servers as wheels. Installed into folders only, never into Python itself. */
import { findCommand, runCommand } from './command.ts';
import { installPackages } from './debian.ts';

const PROBE = 'import sys, pip; print(sys.executable); print("cp%d%d" % sys.version_info[:2])';

/** An interpreter by its real path (no version manager's shim), and the tag of the binary wheels it can load. */
export interface Python {
  readonly path: string;
  readonly tag: string;
}

/** Finds a Python that has pip; installs Debian's when there is none. */
export async function requirePython(): Promise<Python> {
  const found = await findPython();
  if (found !== null) return found;
  await installPackages(['python3', 'python3-pip']);
  const installed = await findPython();
  if (installed === null)
    throw new Error('python3 with pip is needed, and was not found after its installation');
  return installed;
}

/** Unpacks wheels into `folder`. Nothing is built from source, and no dependency is taken that is not named. */
export async function pipInstall(python: Python, folder: string, packages: readonly string[]): Promise<void> {
  const options = ['--quiet', '--no-input', '--disable-pip-version-check', '--root-user-action=ignore'];
  const wheelsOnly = ['--no-deps', '--only-binary=:all:', '--target', folder];
  await runCommand(python.path, ['-m', 'pip', 'install', ...options, ...wheelsOnly, ...packages]);
}

async function findPython(): Promise<Python | null> {
  const candidates = [findCommand('python3'), findCommand('python3', '/usr/local/bin:/usr/bin')];
  for (const candidate of new Set(candidates)) {
    const python = candidate === null ? null : await probe(candidate);
    if (python !== null) return python;
  }
  return null;
}

async function probe(candidate: string): Promise<Python | null> {
  try {
    const [path = '', tag = ''] = (await runCommand(candidate, ['-c', PROBE])).trim().split('\n');
    return { path, tag };
  } catch {
    return null;
  }
}
