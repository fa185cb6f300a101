// What is under deploy/, held against its own tools and the source, as far as this machine has the tools.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { program as balancer } from '@postern/balancer';
import { knownVariables } from '@postern/config';
import { nodeStopMsMax } from '@postern/edge';
import { collectorBinary, findCommand, hadolintBinary } from '@postern/scripts/install';
import { parse } from 'yaml';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const deploy = join(root, 'deploy');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** Runs a tool in a folder of deploy/; its words are the failure's. */
function run(
  command: string,
  args: readonly string[],
  folder = '',
  environment: NodeJS.ProcessEnv = {},
): string {
  return execFileSync(command, args, {
    cwd: join(deploy, folder),
    env: { ...process.env, ...environment },
    encoding: 'utf8',
    stdio: 'pipe',
    timeout: 60_000,
  });
}

const collector = collectorBinary();
const withoutCollector =
  collector === null ? 'SKIPPED: the collector is not installed; pnpm service:install otel-collector' : false;

/** What is looked at of a dashboard of Grafana. */
interface Dashboard {
  readonly uid: string;
  readonly templating: { readonly list: readonly { name: string }[] };
  readonly panels: readonly {
    id: number;
    title: string;
    datasource: object;
    targets: readonly { expr: string }[];
  }[];
}

function without(name: string): string | false {
  return findCommand(name) === null ? `SKIPPED: ${name} is not installed` : false;
}

test('each package that an image can hold says its licence, which the list of its packages tells', () => {
  const unlicensed = globSync('{libs,services,apps}/*/package.json', { cwd: root }).filter(
    (file) => (JSON.parse(read(file)) as { license?: string }).license === undefined,
  );
  assert.deepEqual(unlicensed, []);
});

test('the chart has the rules and dashboards of deploy/observe', () => {
  const own = globSync('deploy/helm/postern/files/dashboards/*.json', { cwd: root }).map((file) =>
    basename(file),
  );
  const source = globSync('deploy/observe/grafana/dashboards/*.json', { cwd: root }).map((file) =>
    basename(file),
  );
  assert.deepEqual(own.toSorted(), source.toSorted());
  assert.equal(read('deploy/helm/postern/files/rules.yaml'), read('deploy/observe/rules/postern.yaml'));
  for (const file of globSync('deploy/observe/grafana/dashboards/*.json', { cwd: root })) {
    assert.equal(read(`deploy/helm/postern/files/dashboards/${file.split('/').at(-1)}`), read(file));
  }
});

test('each alert has its page, each page its alert, and a test of when it fires and when it does not', () => {
  const rules = parse(read('deploy/observe/rules/postern.yaml')) as {
    groups: { rules: { alert: string; annotations: { runbook_url: string } }[] }[];
  };
  const alerts = rules.groups.flatMap((group) => group.rules);
  const names = alerts.map(({ alert }) => alert).toSorted();
  assert(names.length > 0);
  const pages = globSync('docs/runbooks/*.md', { cwd: root }).map((file) => basename(file, '.md'));
  assert.deepEqual(pages.filter((page) => page !== 'README').toSorted(), names);
  const index = read('docs/runbooks/README.md');
  for (const { alert, annotations } of alerts) {
    assert.equal(annotations.runbook_url, `docs/runbooks/${alert}.md`);
    assert(index.includes(`(${alert}.md)`), `the index has no ${alert}`);
    const page = read(annotations.runbook_url);
    for (const part of ['What it means', 'What users notice', 'What to look at', 'What to do'])
      assert.match(page, new RegExp(`^## ${part}$\\n+\\S|^## ${part}$\\n+ {4}\\S`, 'm'), `${alert}: ${part}`);
  }
  const tests = parse(read('deploy/observe/rules.test.yaml')) as {
    tests: { alert_rule_test: { alertname: string; exp_alerts: unknown[] }[] }[];
  };
  const cases = tests.tests.flatMap((one) => one.alert_rule_test);
  for (const name of names) {
    const own = cases.filter(({ alertname }) => alertname === name).map((one) => one.exp_alerts.length > 0);
    assert.deepEqual(new Set(own), new Set([true, false]), `${name} is tested when it fires and when not`);
  }
});

test('runbooks name codes and pages that there are', () => {
  const codes = read('docs/ERRORS.md');
  for (const file of globSync('docs/runbooks/*.md', { cwd: root })) {
    const text = read(file);
    for (const [code] of text.matchAll(/\b(?:EDGE|ACL|BUS|CERTSTORE|ROUTER|CLIENT)_[A-Z_]+[A-Z]\b/g))
      assert(codes.includes(`\`${code}`), `${file}: there is no code ${code}`);
    for (const [, link = ''] of text.matchAll(/\]\(([^)#]+)/g))
      assert(existsSync(join(root, 'docs', 'runbooks', link)), `${file}: there is no ${link}`);
  }
});

test('dashboards are whole, and Prometheus understands what they ask', { skip: without('promtool') }, () => {
  const files = globSync('deploy/observe/grafana/dashboards/*.json', { cwd: root });
  assert.deepEqual(files.map((file) => basename(file, '.json')).toSorted(), [
    'bus',
    'edge',
    'gateway',
    'overview',
  ]);
  const questions: string[] = [];
  for (const file of files) {
    const dashboard = JSON.parse(read(file)) as Dashboard;
    assert.equal(dashboard.uid, `postern-${basename(file, '.json')}`);
    assert.equal(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length);
    const variables = new Set(dashboard.templating.list.map(({ name }) => name));
    for (const { title, targets, datasource } of dashboard.panels) {
      assert.deepEqual(datasource, { type: 'prometheus', uid: 'prometheus' }, title);
      assert(targets.length > 0, title);
      for (const { expr } of targets) {
        for (const [, name = ''] of expr.matchAll(/\$(\w+)/g))
          assert(name === '__rate_interval' || variables.has(name), `${file}: there is no variable ${name}`);
        questions.push(expr.replaceAll('$__rate_interval', '1m').replaceAll(/\$\w+/g, '.*'));
      }
    }
  }
  const rules = questions.map((expr, index) => ({ record: `question_${index}`, expr }));
  const folder = mkdtempSync(join(tmpdir(), 'postern-dashboards-'));
  try {
    const file = join(folder, 'questions.yaml');
    writeFileSync(file, JSON.stringify({ groups: [{ name: 'dashboards', rules }] }));
    run('promtool', ['check', 'rules', file]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('Prometheus takes its configuration', { skip: without('promtool') }, () => {
  run('promtool', ['check', 'config', '--syntax-only', 'prometheus.yaml'], 'observe');
});

test('the collector takes its configuration', { skip: withoutCollector }, () => {
  assert(collector !== null);
  run(collector, ['validate', '--config', 'collector.yaml'], 'observe');
});

test('each alert rule fires when it should, and not before', { skip: without('promtool') }, () => {
  run('promtool', ['test', 'rules', 'rules.test.yaml'], 'observe');
});

test('every image has a target in the bake file, and each target a program', () => {
  const targets = [...read('deploy/images/Dockerfile').matchAll(/^FROM runtime AS (\w+)$/gm)].map(
    ([, name = '']) => name,
  );
  const listed = /program = \[([^\]]*)\]/.exec(read('deploy/images/docker-bake.hcl'))?.[1] ?? '';
  assert.deepEqual(
    [...listed.matchAll(/"(\w+)"/g)].map(([, name = '']) => name).toSorted(),
    targets.toSorted(),
  );
  for (const name of targets) {
    assert(existsSync(join(root, 'services', name)) || existsSync(join(root, 'apps', name)), name);
  }
});

test('no file that is handed to containers holds a secret, and no service is given one by its environment', () => {
  const compose = read('deploy/compose/compose.yaml');
  for (const [, name] of compose.matchAll(
    /^\s*(POSTERN_[A-Z_]*(?:KEY|PASSWORD|TOKEN|SEED|MONGODB_URL)[A-Z_]*):/gm,
  )) {
    assert.match(name ?? '', /_FILE$/, `${name} is a secret in the environment`);
  }
});

test('what containers, charts and units are told are settings that there are', () => {
  const assigned =
    /^ +((?:POSTERN|OTEL)_[A-Z_]+):|\{ name: ((?:POSTERN|OTEL)_[A-Z_]+),|(?<=^Environment=.*)(POSTERN_[A-Z_]+)=/gm;
  const files = globSync('deploy/{compose,helm,systemd}/**/*.{yaml,tpl,service}', { cwd: root });
  const told = files.flatMap((file) =>
    [...read(file).matchAll(assigned)].map(([, container, chart, unit]) => container ?? chart ?? unit ?? ''),
  );
  assert(told.length > 50);
  assert.deepEqual(
    told.filter((name) => !knownVariables.includes(name)),
    [],
  );
});

test('the balancer takes its example', () => {
  const file = join(deploy, 'loadbalancer/balancer.yaml');
  assert.equal(balancer.resolve(['--config', file, '--check-config'], {}).kind, 'print');
});

test('what shows metrics and traces to whoever asks is in no network of callers, and has no known password', () => {
  const { services } = parse(read('deploy/compose/compose.yaml'), { merge: true }) as {
    services: Record<string, { networks?: string[]; ports?: string[]; environment?: Record<string, string> }>;
  };
  for (const name of ['grafana', 'jaeger']) {
    const { networks, ports } = services[name] ?? {};
    assert.deepEqual(networks, ['platform', 'observe'], name);
    for (const port of ports ?? []) assert.match(port, /^127\.0\.0\.1:/, name);
  }
  assert.equal(services['grafana']?.environment?.['GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION'], 'true');
});

function withoutHadolint(): string | false {
  return hadolintBinary() === null ? 'SKIPPED: hadolint is not installed (pnpm service:install)' : false;
}

function isShell(text: string): boolean {
  return /^#!.*\b(ba|da)?sh\b/.test(text);
}

test('hadolint finds nothing in the Dockerfiles', { skip: withoutHadolint() }, () => {
  const files = globSync('**/Dockerfile*', { cwd: deploy }).filter((file) => !file.endsWith('.dockerignore'));
  assert(files.length > 0);
  run(hadolintBinary() ?? '', ['--no-color', ...files]);
});

test('shellcheck finds nothing in the shell scripts', { skip: without('shellcheck') }, () => {
  const tracked = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' }).split('\0');
  const scripts = tracked.filter((file) => {
    return /(^|\/)[^./]+$|\.sh$/.test(file) && existsSync(join(root, file)) && isShell(read(file));
  });
  assert(scripts.length > 0);
  run(
    'shellcheck',
    scripts.map((file) => join(root, file)),
  );
});

test('a unit waits for as long as its program may drain, whatever is set', () => {
  const minutesMore = 1;
  for (const name of ['balancer', 'standalone']) {
    const section = read('docs/CONFIG.md')
      .split(/^## /m)
      .find((text) => text.startsWith(`postern-${name}\n`));
    const [, longestMs] = /^\| `drainGraceMs` .* from \d+ to (\d+) /m.exec(section ?? '') ?? [];
    const unit = read(`deploy/systemd/postern-${name}.service`);
    const [, minutes] = /^TimeoutStopSec=(\d+)min$/m.exec(unit) ?? [];
    assert(Number(minutes) - minutesMore >= Number(longestMs) / 60_000, `${name}: ${minutes} min`);
  }
});

test('a program may have as many files open as its bounds let connections be', () => {
  const config = read('docs/CONFIG.md').split(/^## /m);
  const bound = (program: string, setting: string): number => {
    const section = config.find((text) => text.startsWith(`postern-${program}\n`)) ?? '';
    return Number(new RegExp(`^\\| \`${setting}\` .*? \\| \`(\\d+)\` \\|`, 'm').exec(section)?.[1]);
  };
  const { services } = parse(read('deploy/compose/compose.yaml'), { merge: true }) as {
    services: Record<string, { ulimits?: { nofile?: number } }>;
  };
  const unit = (name: string): number =>
    Number(/^LimitNOFILE=(\d+)$/m.exec(read(`deploy/systemd/postern-${name}.service`))?.[1]);
  // A tunnel, a caller and a cloud resource are a connection each; a balancer has one to each side.
  const needed = {
    edge: bound('edge', 'tunnelsMax') + 2 * bound('edge', 'connectionsMax'),
    standalone: bound('standalone', 'tunnelsMax') + 2 * bound('standalone', 'connectionsMax'),
    balancer: 2 * bound('balancer', 'connectionsMax'),
  };
  const may: readonly (readonly [keyof typeof needed, number | undefined])[] = [
    ['standalone', unit('standalone')],
    ['balancer', unit('balancer')],
    ...(['edge', 'balancer'] as const).flatMap((program) =>
      [1, 2].map((index) => [program, services[`${program}-${index}`]?.ulimits?.nofile] as const),
    ),
  ];
  for (const [program, files = 0] of may) {
    // Listeners, and connections that have not yet shown what they are for.
    const others = 8_192;
    assert(files >= needed[program] + others, `${program}: ${files}, of ${needed[program]}`);
  }
});

test('on a full host what carries callers goes before all other containers, nodes no later than balancers', () => {
  const { services } = parse(read('deploy/compose/compose.yaml'), { merge: true }) as {
    services: Record<string, { cpu_shares?: number }>;
  };
  const sharesOf = (name: string): number => services[name]?.cpu_shares ?? 1_024;
  const carriers = ['edge-1', 'edge-2', 'balancer-1', 'balancer-2'];
  const [most, ...others] = new Set(carriers.map(sharesOf));
  assert.deepEqual(others, [], 'one that starts takes the processor from the others');
  for (const name of Object.keys(services).filter((one) => !carriers.includes(one)))
    assert(sharesOf(name) < Number(most), name);
});

test('no container is killed while its program may still drain', () => {
  const graces = ['compose.yaml', 'client/compose.yaml'].flatMap((file) => {
    const { services } = parse(read(`deploy/compose/${file}`), { merge: true }) as {
      services: Record<string, { stop_grace_period?: string }>;
    };
    return Object.entries(services).map(
      ([name, service]) => [name, Number(/^(\d+)s$/.exec(service.stop_grace_period ?? '10s')?.[1])] as const,
    );
  });
  const longestMs = {
    edge: nodeStopMsMax({ drainDelayMs: 3_000, drainGraceMs: 30_000 }),
    balancer: 30_000 + 30_000,
    client: 30_000,
  };
  for (const [program, ms] of Object.entries(longestMs)) {
    const own = graces.filter(([name]) => name.replace(/-\d$/, '') === program);
    assert(own.length > 0, program);
    for (const [name, seconds] of own) assert(seconds * 1_000 > ms, `${name}: ${seconds} s`);
  }
});

test('systemd takes the units, and finds little exposed', { skip: without('systemd-analyze') }, (t) => {
  const units = globSync('systemd/*.service', { cwd: deploy });
  for (const unit of units) {
    const words = run('systemd-analyze', ['security', '--offline=true', '--no-pager', unit]);
    const exposure = Number(/Overall exposure level for [^:]*: ([0-9.]+)/.exec(words)?.[1] ?? 10);
    // keepalived changes the network's addresses as root; what is left to it is said in its unit.
    const most = unit.includes('balancer') ? 4 : 2;
    t.diagnostic(`${unit}: exposure ${exposure}`);
    assert(exposure <= most, `${unit} has an exposure of ${exposure}`);
  }
});
