/**
 * The platform of deploy/compose on the engine at hand, driven by the commands that its README gives to operators. Where
 * the image of MongoDB is a stand-in, it has one member.
 */
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { patience } from './caller.ts';

/** Where the compose files are. */
export const composeFolder = fileURLToPath(new URL('../../../deploy/compose', import.meta.url));
const stepMs = 600_000 * patience;

/** The path of a compose file of the tests' own. */
export function overridePath(name: string): string {
  return fileURLToPath(new URL(`../compose/${name}.yaml`, import.meta.url));
}

/** Whether a command ends well. */
export function succeeds(...command: readonly [string, ...string[]]): boolean {
  const [name, ...args] = command;
  return spawnSync(name, args, { cwd: composeFolder, stdio: 'ignore', timeout: 60_000 }).status === 0;
}

/** Which of these images the engine does not have, in words; null where it has all. */
export function imagesMissing(wanted: readonly string[]): string | null {
  const absent = wanted.filter((one) => !succeeds('docker', 'image', 'inspect', one));
  return absent.length === 0 ? null : `the engine does not have ${absent.join(', ')}`;
}

/** The images of Postern's own. */
export const programs = ['edge', 'router', 'acl', 'certstore', 'admin', 'client', 'cli', 'setup', 'balancer'];
const bases = ['mongo:8.0', 'nats:2.15', 'node:26-slim'];

/** What is not here of what a platform on the engine needs, with these images beside its own; null where all is. */
export function missingForPlatform(...images: readonly string[]): string | null {
  if (process.env['POSTERN_TEST_DEPLOY'] !== 'full') return 'POSTERN_TEST_DEPLOY is not full';
  if (!succeeds('docker', 'compose', 'version')) return 'there is no docker compose';
  const wanted = [...programs.map((name) => `postern/${name}`), ...bases, ...images];
  return imagesMissing(wanted);
}

/** The commands of a section of the README, in its order. */
export function commandsOf(section: string): string[] {
  const text = readFileSync(join(composeFolder, 'README.md'), 'utf8');
  const [, body = ''] = text.split(`## ${section}\n`);
  const [own = ''] = body.split('\n## ');
  return own.split('\n').flatMap((line) => (line.startsWith('    ') ? [line.trim()] : []));
}

/** One project; what commands write goes to `scratch`. */
export class ComposePlatform {
  readonly documents: readonly string[];
  readonly #scratch: string;
  readonly #files: readonly string[];
  readonly #overrides: readonly string[];
  readonly #environment: NodeJS.ProcessEnv;

  constructor(
    scratch: string,
    options: {
      /** Files of deploy/compose beside compose.yaml. */
      files?: readonly string[];
      overrides?: readonly string[];
      environment?: NodeJS.ProcessEnv;
    } = {},
  ) {
    const { stdout } = spawnSync(
      'docker',
      ['image', 'inspect', '--format', '{{json .Config.Labels}}', 'mongo:8.0'],
      {
        encoding: 'utf8',
      },
    );
    const isStandIn = stdout.includes('org.postern.stand-in');
    this.documents = isStandIn ? ['mongodb-1'] : ['mongodb-1', 'mongodb-2', 'mongodb-3'];
    this.#scratch = scratch;
    this.#files = ['compose.yaml', ...(options.files ?? [])];
    this.#overrides = [...(isStandIn ? ['one-member'] : []), ...(options.overrides ?? [])].map(overridePath);
    this.#environment = {
      ...process.env,
      // Not what an operator wrote. Versions of before had the whole platform by a profile.
      COMPOSE_ENV_FILES: '/dev/null',
      COMPOSE_PROFILES: 'cluster',
      ...(isStandIn
        ? { POSTERN_SETUP_MONGODB_HOSTS: 'mongodb-1', POSTERN_SETUP_REPLICA_SET: 'secantus' }
        : {}),
      ...options.environment,
    };
  }

  /** Which images, and the compose files of which folder, the next commands are for. */
  use(version: string, folder = composeFolder): void {
    this.#environment['POSTERN_VERSION'] = version;
    this.#environment['COMPOSE_FILE'] = [
      ...this.#files.map((name) => join(folder, name)),
      ...this.#overrides,
    ].join(':');
  }

  /** Runs a command as it is written, in bash. */
  shell(command: string, folder = this.#scratch): Promise<string> {
    return run('bash', ['-euo', 'pipefail', '-c', command], folder, this.#environment);
  }

  compose(...args: readonly string[]): Promise<string> {
    return run('docker', ['compose', ...args], this.#scratch, this.#environment);
  }

  /** What the command line answers. */
  async cli<T>(...args: readonly string[]): Promise<T> {
    return JSON.parse(await this.compose('run', '--rm', '-T', 'cli', '--json', ...args)) as T;
  }

  /** What a script says in a new container of a service, with its secrets. */
  inside(service: string, script: string): Promise<string> {
    return this.compose('run', '--rm', '-T', '--no-deps', '--entrypoint', 'node', service, '-e', script);
  }
}

/** What a command says, without standard input; the last words of a command that fails are the error's. */
export function run(
  command: string,
  args: readonly string[],
  folder: string,
  environment: NodeJS.ProcessEnv,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { cwd: folder, env: environment, timeout: stepMs, maxBuffer: 64 * 1024 * 1024 };
    const child = execFile(command, args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${[command, ...args].join(' ')}: ${stderr.slice(-4_000)}`, { cause: error }));
    });
    child.stdin?.end();
  });
}
