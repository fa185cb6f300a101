// `docker buildx bake` as deploy/images/README.md gives it, with what a release adds: by buildx and BuildKit's own daemon, from
// a base image whose files the engine has, since no registry is reached. Each image says what is in it: an attested list of
// packages with licences, made by the scanner's own syft. With POSTERN_TEST_DEPLOY=full and `pnpm service:install buildx`.

import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { findCommand, imageTools, runCommand } from '@postern/scripts/install';
import { Part, makeScratch, removeScratch } from '@postern/test-cluster';
import { imagesMissing } from './compose-platform.ts';
import { type Manifest, manifestsOf, readBlob, startRegistry } from './oci-layout.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const standIn = join(root, 'test/deploy/stand-in');
const files = [
  '--file',
  join(root, 'deploy/images/docker-bake.hcl'),
  '--file',
  join(standIn, 'docker-bake.hcl'),
];
const programs = ['edge', 'router', 'acl', 'certstore', 'admin', 'client', 'cli', 'setup', 'balancer'];
const tools = imageTools();
const skip =
  process.env['POSTERN_TEST_DEPLOY'] !== 'full'
    ? 'SKIPPED: POSTERN_TEST_DEPLOY is not full'
    : tools === null
      ? 'SKIPPED: buildx is not installed; pnpm service:install buildx'
      : findCommand('runc') === null
        ? 'SKIPPED: runc, which BuildKit runs commands with, is not installed'
        : imagesMissing(['node:26-slim']) !== null
          ? 'SKIPPED: no engine has node:26-slim'
          : false;

let folder: string;
let daemon: Part | null = null;
let registry: Server | null = null;
let generator: string;
let environment: Record<string, string>;

before(async () => {
  if (skip !== false || tools === null) return;
  folder = await makeScratch('bake');
  const { server, port } = await startRegistry(join(folder, 'scanner'));
  registry = server;
  generator = `127.0.0.1:${port}/scanner:latest`;
  daemon = await startDaemon(tools.buildkitd, port);
  environment = {
    BUILDX_CONFIG: join(folder, 'buildx'),
    DOCKER_CONFIG: join(folder, 'docker'),
    NODE_FILES: await nodeFiles(),
    SCANNER_FILES: scannerFiles(tools.syft),
  };
  await buildx('create', '--name', 'own', '--use', '--driver', 'remote', `unix://${folder}/buildkitd.sock`);
  const own = [...files, '--allow', `fs=${folder}`];
  await buildx(
    'bake',
    ...own,
    '--provenance=false',
    '--set',
    `scanner.output=${layoutOf('scanner')}`,
    'scanner',
  );
  const outputs = programs.flatMap((name) => [
    '--set',
    `${name}.output=${layoutOf(name)},compression=uncompressed`,
    '--set',
    `${name}.contexts.node:26-slim=target:node`,
  ]);
  await buildx('bake', ...own, '--provenance=mode=max', `--sbom=generator=${generator}`, ...outputs);
});
after(async () => {
  await daemon?.stop();
  registry?.close();
  if (folder !== undefined) removeScratch(folder);
});

for (const program of programs) {
  test(`${program} is baked, below 250 MB, and attests packages with their licences`, { skip }, (t) => {
    const layout = join(folder, program);
    const manifests = manifestsOf(layout);
    const isAttestation = (one: { annotations?: Readonly<Record<string, string>> }): boolean =>
      one.annotations?.['vnd.docker.reference.type'] === 'attestation-manifest';
    const image = manifests.find((one) => !isAttestation(one));
    const attestation = manifests.find(isAttestation);
    assert(image !== undefined && attestation !== undefined);
    const bytes = ((readBlob(layout, image) as Manifest).layers ?? []).reduce(
      (sum, { size }) => sum + size,
      0,
    );
    const statements = (readBlob(layout, attestation) as Manifest).layers ?? [];
    const kinds = statements.map(({ annotations }) => annotations?.['in-toto.io/predicate-type'] ?? '');
    assert(
      kinds.some((kind) => kind.startsWith('https://slsa.dev/provenance/')),
      kinds.join(),
    );
    const list = statements[kinds.indexOf('https://spdx.dev/Document')];
    assert(list !== undefined, kinds.join());
    const { packages } = (readBlob(layout, list) as { predicate: { packages: readonly Package[] } })
      .predicate;
    const names = new Set(packages.map(({ name }) => name));
    for (const name of wanted(program)) assert(names.has(name), `${program} does not name ${name}`);
    const unlicensed = packages.filter(({ licenseDeclared = none }) => licenseDeclared === none);
    t.diagnostic(`${program}: ${(bytes / 1e6).toFixed(0)} MB, ${packages.length} packages in its list`);
    assert(bytes < 250_000_000);
    // Debian's licences are texts of their own beside the packages, which the list does not always put into a word.
    const npm = unlicensed.filter((one) => purl(one).startsWith('pkg:npm/') && !unpublished.has(one.name));
    assert.deepEqual(npm, [], 'a package of npm without a licence');
  });
}

const none = 'NOASSERTION';
/** What lies about in packages of others with a manifest of its own. */
const unpublished = new Set(['benchmarks', 'transport']);

interface Package {
  readonly name: string;
  readonly licenseDeclared?: string;
  readonly externalRefs?: readonly { readonly referenceType: string; readonly referenceLocator: string }[];
}

function purl({ externalRefs = [] }: Package): string {
  return externalRefs.find(({ referenceType }) => referenceType === 'purl')?.referenceLocator ?? '';
}

function wanted(program: string): string[] {
  const system = [
    'libc6',
    'libstdc++6',
    ...(program === 'balancer' ? ['haproxy', 'keepalived', 'nftables', 'iproute2'] : []),
  ];
  const documents = ['router', 'acl', 'certstore', 'admin', 'setup'].includes(program)
    ? ['mongodb', 'bson']
    : [];
  return [...system, ...documents, 'typebox'];
}

function layoutOf(name: string): string {
  return `type=oci,tar=false,dest=${join(folder, name)}`;
}

function buildx(...args: readonly string[]): Promise<string> {
  assert(tools !== null);
  return runCommand(tools.buildx, args, environment, root);
}

async function startDaemon(command: string, registryPort: number): Promise<Part> {
  const config = join(folder, 'buildkitd.toml');
  writeFileSync(config, `[registry."127.0.0.1:${registryPort}"]\nhttp = true\n`);
  const where = [
    '--addr',
    `unix://${folder}/buildkitd.sock`,
    '--root',
    join(folder, 'state'),
    '--config',
    config,
  ];
  const part = new Part({
    name: 'buildkitd',
    command,
    // Without a network of its own: a build reaches npm and Debian as this machine does.
    args: [...where, '--oci-worker-net', 'host', '--containerd-worker=false'],
    folder,
    logFile: join(folder, 'buildkitd.log'),
    ready: { line: /running server on/ },
  });
  await part.start();
  return part;
}

/** Node's image as the engine has it, as one archive. */
async function nodeFiles(): Promise<string> {
  const into = join(folder, 'node-files');
  mkdirSync(into);
  const container = (await runCommand('docker', ['create', 'node:26-slim'])).trim();
  await runCommand('docker', ['export', '--output', join(into, 'node.tar'), container]);
  await runCommand('docker', ['rm', container]);
  return into;
}

function scannerFiles(syft: string): string {
  const into = join(folder, 'scanner-files');
  mkdirSync(into);
  copyFileSync(syft, join(into, 'syft'));
  copyFileSync(join(standIn, 'scan.mjs'), join(into, 'scan.mjs'));
  return into;
}
