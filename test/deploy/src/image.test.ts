// The images as an engine has them (deploy/images): what they weigh and of what, and that nothing is in them that a program
// does not need: no shell, no package manager, no tests, no root. Skipped, by name, where there is no engine that has them.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { patience } from './caller.ts';

const programs = [
  'edge',
  'router',
  'acl',
  'certstore',
  'admin',
  'client',
  'cli',
  'setup',
  'balancer',
] as const;
/** Whose work is for root: files are given away, addresses put on interfaces. */
const asRoot = new Set<string>(['balancer']);
const mega = 1_000_000;

function docker(...args: string[]): { stdout: string; stderr: string; code: number | null } {
  const { stdout, stderr, status } = spawnSync('docker', args, {
    encoding: 'utf8',
    timeout: 120_000 * patience,
  });
  return { stdout, stderr, code: status };
}

function inNode(program: string, script: string): string {
  const { stdout, code } = docker(
    'run',
    '--rm',
    '--network',
    'none',
    '--entrypoint',
    'node',
    `postern/${program}`,
    '-p',
    script,
  );
  assert.equal(code, 0);
  return stdout.trim();
}

/** Bytes of the layers whose command has these words. */
function layer(program: string, words: string): number {
  const history = docker(
    'history',
    '--no-trunc',
    '--human=false',
    '--format',
    '{{.Size}} {{.CreatedBy}}',
    `postern/${program}`,
  );
  const lines = history.stdout.split('\n').filter((line) => line.includes(words));
  assert(lines.length > 0, `${program} has no layer ${words}`);
  return lines.map((line) => Number(line.split(' ', 1)[0])).reduce((sum, bytes) => sum + bytes, 0);
}

function without(program: string): string | false {
  const isThere = docker('image', 'inspect', `postern/${program}`).code === 0;
  return isThere ? false : `SKIPPED: no engine has the image postern/${program}`;
}

for (const program of programs) {
  const skip = without(program);

  test(`${program}: less than 250 MB, of which Postern's own are few`, { skip }, (t) => {
    const whole = Number(docker('image', 'inspect', '--format', '{{.Size}}', `postern/${program}`).stdout);
    const node = layer(program, 'COPY /runtime /');
    const own = layer(program, '/opt/postern');
    const servers = program === 'balancer' ? layer(program, 'COPY /balancer /') : 0;
    const words = Object.entries({ whole, node, own, servers }).map(
      ([name, bytes]) => `${name} ${(bytes / mega).toFixed(0)}`,
    );
    t.diagnostic(`${program}, in MB: ${words.join(', ')}`);
    assert(whole < 250 * mega, `${whole}`);
    assert(node < 170 * mega, `${node}`);
    assert(own < 40 * mega, `${own}`);
    assert(servers < 40 * mega, `${servers}`);
    assert(whole - node - own - servers < mega, 'a layer that nobody counts');
  });

  test(
    `${program}: no shell, no package manager, no tests, no types, and root only where it must be`,
    { skip },
    () => {
      const there = inNode(
        program,
        `['/bin/sh', '/bin/bash', '/usr/bin/dpkg', '/usr/local/bin/npm', '/opt/postern/scripts', '/opt/postern/test'].filter(fs.existsSync)`,
      );
      assert.equal(there, '[]');
      const unwanted = inNode(program, `fs.globSync('/opt/postern/**/*.{test.ts,d.ts,map}').length`);
      assert.equal(unwanted, '0');
      assert.equal(inNode(program, 'process.getuid()'), asRoot.has(program) ? '0' : '1000');
      assert.equal(
        inNode(program, `fs.globSync('/opt/postern/**').every((file) => fs.lstatSync(file).uid === 0)`),
        'true',
      );
    },
  );

  test(`${program}: says what is in it to scanners, and starts`, { skip }, () => {
    const described = inNode(
      program,
      `fs.readdirSync('/var/lib/dpkg/status.d').filter((name) => fs.existsSync('/usr/share/doc/' + name + '/copyright')).join(' ')`,
    );
    for (const name of [
      'libc6',
      'libstdc++6',
      ...(program === 'balancer' ? ['haproxy', 'keepalived', 'nftables', 'iproute2'] : []),
    ])
      assert(described.split(' ').includes(name), `${name} is not described: ${described}`);
    const { stdout, code } = docker(
      'run',
      '--rm',
      '--read-only',
      '--network',
      'none',
      '--cap-drop',
      'ALL',
      `postern/${program}`,
      '--version',
    );
    assert.equal(code, 0);
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
  });
}

test('the command line in its image tells what to do about an error', { skip: without('cli') }, () => {
  const { stderr } = docker('run', '--rm', '--network', 'none', 'postern/cli', 'nodes', 'list');
  assert.match(stderr, /^postern: CLI_[A-Z_]+: .*\n +what to do: \S/);
});
