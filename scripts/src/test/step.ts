/**
 * What is checked, in the order of its cost. Static checks are the commands of the root's package.json, so that a step
 * and the command a person types are the same; of the system tests two files at a time, each in a process
 * of its own, and a third that mostly waits, but for those that ask for the machine.
 */
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/** One command whose end decides whether the tree is good. */
export interface Step {
  /** What `--only` and `--from` take: `types`, `e2e`, `e2e/psql`. */
  readonly name: string;
  readonly command: string;
  readonly timeoutMs: number;
  /** Steps that must have passed before this one can tell anything. */
  readonly needs: readonly string[];
  /** Nothing else runs meanwhile. */
  readonly alone: boolean;
  /** It hardly uses a processor, so that it runs beside those that do. */
  readonly waits: boolean;
  /** It prints node's test counts. */
  readonly countsTests: boolean;
}

const minuteMs = 60_000;
/** Steps that look at memory or at fractions of a second. */
export const aloneNames = ['e2e/volume', 'deploy/balancer', 'storm/short'];
/** Steps in which what is awaited is time: measured, they use half a processor or less. */
export const waitingNames = [
  'e2e/tunnel-path',
  'e2e/way-out',
  'e2e/hostile',
  'e2e/causes',
  'e2e/resource-tls',
  'e2e/relay',
  'e2e/restart',
  'e2e/mongo-store',
  'e2e/nats-bus',
  'e2e/nats-security',
  'e2e/replica',
  'e2e/h2spec',
  'e2e/socks',
  'e2e/standalone-keys',
  'e2e/syslog',
  'e2e/udp',
];
/** The longest first: what begins last should not be long. */
const systemFolders = ['chaos', 'model', 'cluster', 'e2e', 'browser', 'deploy', 'storm', 'kit'];

/** Every step of a tree. */
export function listSteps(root: string): Step[] {
  const scripts = readScripts(root);
  const fromScript = (name: string, script: string, more = ''): Step => ({
    name,
    command: `${scripts[script] ?? `echo there is no script ${script}; exit 1`}${more}`,
    timeoutMs: 10 * minuteMs,
    needs: [],
    alone: false,
    waits: false,
    countsTests: script.startsWith('test:'),
  });
  const onServices = systemFolders.flatMap((folder) =>
    listFiles(root, folder, `test/${folder}/src/**/*.test.ts`, ['services']),
  );
  return [
    fromScript('types', 'types'),
    fromScript('lint', 'lint'),
    fromScript('dead', 'dead'),
    fromScript('docs', 'docs', ' --check'),
    { ...fromScript('unit', 'test:unit'), alone: true },
    ...listFiles(root, 'system', '{libs,services,apps}/*/src/**/*.system.test.ts', []),
    { ...fromScript('services', 'service:install'), timeoutMs: 30 * minuteMs, alone: true },
    // One that is to be alone waits for its neighbour's end: once, not in each folder.
    ...onServices.filter((step) => !step.alone),
    ...onServices.filter((step) => step.alone),
  ];
}

/**
 * System tests end their process when their tests have: Node 26 never closes a socket that is reset in the turn in which it
 * was ended, and then spins while it takes down its last handles (`Environment::CleanupHandles`). `resetSocket` of
 * libs/tunnel waits for that reason; a server of a test may not. That nothing is left open is for the unit tests to show,
 * which wait. A file is a process as it is: where the runner makes one more for it
 * and is to end, it ends before it has read all results.
 */
function listFiles(root: string, kind: string, glob: string, needs: readonly string[]): Step[] {
  return globSync(glob, { cwd: root })
    .toSorted()
    .map((file) => ({ file, name: `${kind}/${nameInFolder(file)}` }))
    .map(({ file, name }) => ({
      name,
      command: `node --test --test-isolation=none --test-force-exit --test-reporter=spec --test-timeout=${6 * minuteMs} ${JSON.stringify(file)}`,
      timeoutMs: 10 * minuteMs,
      needs,
      alone: aloneNames.includes(name),
      waits: waitingNames.includes(name),
      countsTests: true,
    }));
}

/** Of a test beside what it tests, the way to it, since rooms have files of the same name: `client/platform/connector`. */
function nameInFolder(file: string): string {
  const beside = /^[^/]+\/([^/]+)\/src\/(.+)\.system\.test\.ts$/.exec(file);
  return beside === null ? basename(file, '.test.ts') : `${beside[1]}/${beside[2]}`;
}

function readScripts(root: string): Record<string, string> {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts?: Record<string, string>;
  };
  return manifest.scripts ?? {};
}

/** What of the list is to be run. A name selects a step or all steps of a folder; an unknown one is an error. */
export function selectSteps(
  steps: readonly Step[],
  options: { only: readonly string[]; from: string | null },
): Step[] {
  for (const name of [...options.only, ...(options.from === null ? [] : [options.from])]) {
    if (!steps.some((step) => matches(step, name)) && !systemFolders.includes(name)) {
      throw new RangeError(
        `there is no step ${name}; there are ${[...new Set(steps.map((step) => step.name))].join(', ')}`,
      );
    }
  }
  const start = options.from === null ? 0 : steps.findIndex((step) => matches(step, options.from ?? ''));
  const wanted = steps.filter((step, index) => {
    return (
      start >= 0 &&
      index >= start &&
      (options.only.length === 0 || options.only.some((name) => matches(step, name)))
    );
  });
  const needed = new Set(wanted.flatMap((step) => [step.name, ...step.needs]));
  return steps.filter((step) => needed.has(step.name));
}

function matches(step: Step, name: string): boolean {
  return step.name === name || step.name.startsWith(`${name}/`);
}
