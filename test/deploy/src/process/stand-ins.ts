/**
 * `node test/deploy/src/process/stand-ins.ts`: on an engine that reaches no registry, makes what stands in for the images
 * that Postern's own start from, under their official names: Debian by mmdebstrap, Node and npm from npm's registry, what
 * else a platform needs from the tools of `pnpm service:install` and Debian's packages. What the engine has stays.
 */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { collectorBinary, jaegerBinary, runCommand, secantusLaunch, tool } from '@postern/scripts/install';

const recipes = join(import.meta.dirname, '../../stand-in');
const systemCas = '/etc/ssl/certs/ca-certificates.crt';
const suite = 'bookworm';

/** What Debian's own slim images leave out: all of these but licences. */
const leftOut = ['doc', 'info', 'lintian', 'linda', 'locale', 'man', 'groff'];
/** As Debian's own images, which keep nothing of what apt fetched. */
const aptOptions = `Acquire::Languages "none";
APT::Keep-Downloaded-Packages "false";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
`;

const folder = mkdtempSync(join(tmpdir(), 'postern-stand-ins-'));
try {
  await unlessThere('debian:bookworm-slim', makeDebian);
  await unlessThere('node:26-slim', makeNode);
  await unlessThere('nats:2.15', (image) => makeFromFile(image, 'nats', tool('nats-server')));
  await unlessThere('mongo:8.0', makeMongo);
  await unlessThere('postgres:17', makePostgres);
  await unlessThere('prom/prometheus:v2.55.1', makePrometheus);
  for (const { image, recipe, program } of [
    { image: 'otel/opentelemetry-collector:0.111.0', recipe: 'otel-collector', program: collectorBinary() },
    { image: 'jaegertracing/all-in-one:1.62.0', recipe: 'jaeger', program: jaegerBinary() },
  ]) {
    if (program !== null) await unlessThere(image, () => makeFromFile(image, recipe, program));
    else process.stdout.write(`${image} left out: pnpm service:install ${recipe}\n`);
  }
} finally {
  rmSync(folder, { recursive: true });
}

async function unlessThere(image: string, make: (image: string) => Promise<void>): Promise<void> {
  const isThere = spawnSync('docker', ['image', 'inspect', image], { stdio: 'ignore' }).status === 0;
  if (!isThere) await make(image);
  process.stdout.write(`${image} ${isThere ? 'was there' : 'made'}\n`);
}

async function makeDebian(image: string): Promise<void> {
  const tar = join(folder, 'debian.tar');
  const options = join(folder, 'docker-clean');
  writeFileSync(options, aptOptions);
  const slim = leftOut.flatMap((name) => ['--dpkgopt', `path-exclude=/usr/share/${name}/*`]);
  await runCommand('mmdebstrap', [
    '--variant=minbase',
    '--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr',
    '--aptopt=APT::Install-Recommends "false"',
    ...slim,
    '--dpkgopt',
    'path-include=/usr/share/doc/*/copyright',
    `--customize-hook=upload ${options} /etc/apt/apt.conf.d/docker-clean`,
    suite,
    tar,
  ]);
  // apt makes these once more as it cleans up.
  await runCommand('tar', ['--delete', '--wildcards', '--file', tar, './var/cache/apt/*.bin']);
  await runCommand('docker', ['import', tar, image]);
  rmSync(tar);
}

async function makeNode(image: string): Promise<void> {
  const context = join(folder, 'node');
  const local = join(context, 'local');
  mkdirSync(join(local, 'etc'), { recursive: true });
  mkdirSync(join(local, 'lib/node_modules'), { recursive: true });
  cpSync(await unpacked(`node-linux-${process.arch}@${process.versions.node}`), local, { recursive: true });
  cpSync(await unpacked('npm@11'), join(local, 'lib/node_modules/npm'), { recursive: true });
  for (const name of ['npm', 'npx']) {
    const command = join(local, 'bin', name);
    writeFileSync(command, `#!/bin/sh\nexec node /usr/local/lib/node_modules/npm/bin/${name}-cli.js "$@"\n`, {
      mode: 0o755,
    });
  }
  if (existsSync(systemCas)) copyFileSync(systemCas, join(local, 'etc/ca.pem'));
  await build(image, 'node', context);
}

/** The contents of a package of npm's registry. */
async function unpacked(name: string): Promise<string> {
  const into = mkdtempSync(join(folder, 'package-'));
  await runCommand('npm', ['pack', '--silent', '--pack-destination', into, name]);
  const [archive = ''] = readdirSync(into);
  await runCommand('tar', [
    '--extract',
    '--no-same-owner',
    '--file',
    join(into, archive),
    '--directory',
    into,
  ]);
  return join(into, 'package');
}

/** For a program that is one file. */
async function makeFromFile(image: string, recipe: string, program: string): Promise<void> {
  const context = join(folder, recipe);
  mkdirSync(context);
  copyFileSync(program, join(context, basename(program)));
  await build(image, recipe, context);
}

async function makeMongo(image: string): Promise<void> {
  const context = join(folder, 'mongo');
  mkdirSync(context);
  cpSync(secantusLaunch().environment['PYTHONPATH'] ?? '', join(context, 'secantus'), { recursive: true });
  copyFileSync(join(recipes, 'mongo.py'), join(context, 'mongo.py'));
  await build(image, 'mongo', context);
}

async function makePostgres(image: string): Promise<void> {
  const context = join(folder, 'postgres');
  mkdirSync(context);
  cpSync(join(recipes, 'postgres.sh'), join(context, 'postgres.sh'));
  await build(image, 'postgres', context);
}

async function makePrometheus(image: string): Promise<void> {
  const context = join(folder, 'prometheus');
  mkdirSync(context);
  await build(image, 'prometheus', context);
}

async function build(image: string, recipe: string, context: string): Promise<void> {
  const file = join(recipes, `${recipe}.Dockerfile`);
  await runCommand('docker', ['build', '--file', file, '--tag', image, context], { DOCKER_BUILDKIT: '0' });
}
