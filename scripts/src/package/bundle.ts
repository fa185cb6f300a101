/**
 * The client as one file of JavaScript: what `apps/client` imports and nothing else, and the licences of what was taken
 * from others. Node does not strip types below node_modules and a single executable has one script, so both need this.
 */
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { build, type Metafile } from 'esbuild';
import { rootFolder } from '../root.ts';

/** The bundled client. */
export interface Bundle {
  /** An ES module. */
  readonly code: string;
  /** The licences of what is in it. */
  readonly licences: string;
}

/** Bundles it. */
export async function bundleClient(): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: rootFolder,
    // In one file there is nothing left to load, which is what main.ts is for.
    entryPoints: ['apps/client/src/run.ts'],
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    minifySyntax: true,
    minifyWhitespace: true,
    keepNames: true,
    legalComments: 'none',
    metafile: true,
    write: false,
    logLevel: 'error',
    outfile: 'client.js',
    // What is CommonJS among the dependencies asks for Node's own modules by `require`.
    banner: {
      js: "import { createRequire as postern_require } from 'node:module'; const require = postern_require(import.meta.url);",
    },
  });
  return { code: outputFiles[0]?.text ?? '', licences: await licencesOf(metafile) };
}

async function licencesOf({ inputs }: Metafile): Promise<string> {
  const folders = new Set<string>();
  for (const path of Object.keys(inputs)) {
    const folder = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0];
    if (folder !== undefined) folders.add(folder);
  }
  const texts = await Promise.all([...folders].sort().map((folder) => licenceOf(join(rootFolder, folder))));
  return texts.join('\n\n----\n\n');
}

async function licenceOf(folder: string): Promise<string> {
  const { name, version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as {
    name: string;
    version: string;
    license?: string;
  };
  const file = (await readdir(folder)).find((one) => /^(licen[cs]e|copying)(\.|-|$)/i.test(one));
  const text = file === undefined ? '' : `\n\n${(await readFile(join(folder, file), 'utf8')).trim()}`;
  return `${name} ${version} (${license ?? 'licence in the text'})${text}`;
}

/** The version of the client, as its manifest says. */
export async function clientVersion(): Promise<string> {
  const text = await readFile(join(rootFolder, 'apps/client/package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
