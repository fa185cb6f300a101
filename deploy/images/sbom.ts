/**
 * `node deploy/images/sbom.ts PROGRAM`: what a program's image is made of, as CycloneDX 1.6 JSON on stdout: the packages
 * that pnpm would install for it in production, with version, licence and the hash of the lockfile.
 */
import { execFileSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

interface Package {
  readonly name: string;
  readonly versions: readonly string[];
  readonly license?: string;
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const program = process.argv[2];
if (program === undefined || !/^[a-z]+$/.test(program)) {
  process.stderr.write('usage: node deploy/images/sbom.ts PROGRAM\n');
  process.exit(64);
}

const listing = execFileSync(
  'pnpm',
  ['--filter', `@postern/${program}...`, 'licenses', 'list', '--prod', '--json'],
  { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
);
const packages = Object.values(JSON.parse(listing) as Record<string, Package[]>).flat();
const components = packages
  .flatMap(({ name, versions, license }) => versions.map((version) => ({ name, version, license })))
  .toSorted((one, other) => `${one.name}@${one.version}`.localeCompare(`${other.name}@${other.version}`))
  .map(({ name, version, license }) => ({
    type: 'library',
    name,
    version,
    purl: `pkg:npm/${name.replace('@', '%40')}@${version}`,
    ...(license === undefined ? {} : { licenses: [{ license: { name: license } }] }),
  }));

const { version } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8')) as { version: string };
const lockfile = createHash('sha256')
  .update(readFileSync(`${root}/pnpm-lock.yaml`))
  .digest('hex');
process.stdout.write(
  `${JSON.stringify(
    {
      bomFormat: 'CycloneDX',
      specVersion: '1.6',
      serialNumber: `urn:uuid:${randomUUID()}`,
      version: 1,
      metadata: {
        component: { type: 'application', name: `postern-${program}`, version },
        properties: [{ name: 'postern:lockfile:sha256', value: lockfile }],
      },
      components,
    },
    null,
    2,
  )}\n`,
);
