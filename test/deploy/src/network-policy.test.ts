// What the chart's NetworkPolicies let through and what they do not, by reading them.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { findCommand, kubernetesTools } from '@postern/scripts/install';
import { parseAllDocuments } from 'yaml';
import { chartFolder } from './kubernetes/chart.ts';
import { type End, type NetworkPolicy, type PolicyPort, isAllowed } from './kubernetes/network-policy.ts';

const helm = kubernetesTools()?.helm ?? findCommand('helm');
const missing = helm === null ? 'SKIPPED: helm is not installed; pnpm service:install kubernetes' : false;

const ports = {
  nats: { number: 4222 },
  mongodb: { number: 27_017 },
  front: { number: 15_000 },
  beyond: { number: 15_020 },
  ssh: { number: 22 },
  connect: { number: 443, name: 'connect' },
  tunnel: { number: 9_000, name: 'tunnel' },
  link: { number: 9_001, name: 'link' },
  ops: { number: 9_101, name: 'ops' },
  api: { number: 7_443, name: 'api' },
} as const satisfies Record<string, PolicyPort>;

/** A part of the release, another pod of its namespace, or an address outside. */
type Place = 'edge' | 'router' | 'acl' | 'certstore' | 'admin' | 'test' | 'neighbour' | 'outside';

function end(place: Place): End {
  if (place === 'outside') return null;
  if (place === 'neighbour') return { app: 'other' };
  return {
    'app.kubernetes.io/name': 'postern',
    'app.kubernetes.io/instance': 'gateway',
    'app.kubernetes.io/component': place,
  };
}

const allowed: readonly [Place, keyof typeof ports, Place][] = [
  ['outside', 'connect', 'edge'],
  ['outside', 'tunnel', 'edge'],
  ['outside', 'front', 'edge'],
  ['edge', 'link', 'edge'],
  ['edge', 'nats', 'outside'],
  ['edge', 'ssh', 'outside'],
  ['router', 'nats', 'outside'],
  ['router', 'mongodb', 'outside'],
  ['certstore', 'mongodb', 'outside'],
  ['neighbour', 'api', 'admin'],
  ['neighbour', 'ops', 'router'],
  ['test', 'connect', 'edge'],
  ['test', 'tunnel', 'edge'],
  ['test', 'api', 'admin'],
];

const refused: readonly [Place, keyof typeof ports, Place][] = [
  ['outside', 'link', 'edge'],
  ['outside', 'ops', 'edge'],
  ['outside', 'beyond', 'edge'],
  ['outside', 'api', 'admin'],
  ['neighbour', 'link', 'edge'],
  ['neighbour', 'ssh', 'router'],
  ['router', 'ssh', 'outside'],
  ['admin', 'connect', 'outside'],
  ['test', 'mongodb', 'outside'],
  ['test', 'link', 'edge'],
  // A node dials what cloud destinations say: whoever may make one must not reach the parts' own ports by it.
  ['edge', 'ops', 'router'],
  ['edge', 'ops', 'edge'],
  ['edge', 'api', 'admin'],
];

for (const [verb, connections] of [
  ['let through', allowed],
  ['refuse', refused],
] as const) {
  for (const [from, port, to] of connections) {
    test(
      `the chart’s network policies ${verb} ${from} to ${to} on the port ${port}`,
      { skip: missing },
      () => {
        assert.equal(isAllowed(policies(), end(from), end(to), ports[port]), verb === 'let through');
      },
    );
  }
}

for (const [endpoint, number] of [
  ['http://collector:4317', 4317],
  ['http://[fd00::1]:4318/otlp', 4318],
  ['http://collector', 80],
  ['https://collector/otlp', 443],
] as const) {
  test(`the way to a collector at ${endpoint} is open on port ${number}`, { skip: missing }, () => {
    const own = policies('--set', `telemetry.endpoint=${endpoint}`);
    assert(isAllowed(own, end('router'), end('outside'), { number }));
    assert(!isAllowed(own, end('router'), end('outside'), { number: number + 1 }));
  });
}

test('the way to NATS is open on the ports of its URL', { skip: missing }, () => {
  const own = policies('--set', 'nats.url=tls://nats-1:5222\\,tls://nats-2:5223\\,tls://nats-3');
  for (const number of [5222, 5223, 4222]) assert(isAllowed(own, end('acl'), end('outside'), { number }));
  assert(!isAllowed(own, end('acl'), end('outside'), { number: 5224 }));
  assert(!isAllowed(policies(), end('acl'), end('outside'), { number: 5222 }));
});

test('further rules of egress are those of the services', { skip: missing }, () => {
  const own = policies('--set', 'networkPolicy.egress[0].ports[0].port=8200');
  assert(isAllowed(own, end('certstore'), end('outside'), { number: 8200 }));
  assert(!isAllowed(policies(), end('certstore'), end('outside'), { number: 8200 }));
  assert(!isAllowed(own, end('test'), end('outside'), { number: 8200 }));
});

const rendered = new Map<string, readonly NetworkPolicy[]>();

function policies(...set: string[]): readonly NetworkPolicy[] {
  const known = rendered.get(set.join());
  if (known !== undefined) return known;
  assert(helm !== null);
  const args = ['template', 'gateway', 'postern', '--kube-version', '1.34.4', ...set];
  const text = execFileSync(helm, args, { cwd: chartFolder, encoding: 'utf8', timeout: 60_000 });
  const own = parseAllDocuments(text).flatMap((document) => {
    const object = document.toJS() as NetworkPolicy | null;
    return object?.kind === 'NetworkPolicy' ? [object] : [];
  });
  assert(own.length > 0);
  rendered.set(set.join(), own);
  return own;
}
