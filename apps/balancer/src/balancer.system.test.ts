// A balancer with programs in place of haproxy and keepalived that are as unwilling as the test says.

import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Metrics, type Service, silentLogger } from '@postern/telemetry';
import { until } from '@postern/test-kit';
import { createBalancer } from './balancer.ts';
import { program } from './program.ts';
import { keepKnownNodes } from './known-nodes.ts';
import { balancerMetrics } from './metrics.ts';

const known = [{ name: 'edge-1', address: '127.0.0.1' }];

/** A balancer whose haproxy checks a configuration by the lines `check`, and runs until it is told to end. */
function make(
  t: TestContext,
  check: string,
  ...argv: string[]
): { balancer: Service; state: string; failing: () => Promise<string> } {
  const state = mkdtempSync(join(tmpdir(), 'postern-balancer-'));
  const runs = 'exec tail -f /dev/null';
  const haproxy = script(
    state,
    'haproxy',
    `if [ "$1" = -c ]; then ${check}; exit; fi; echo $$ > pid.whole; mv pid.whole pid; ${runs}`,
  );
  const keepalived = script(state, 'keepalived', runs);
  const settings = { state, haproxy, keepalived, nodes: 'edge-1=127.0.0.1', 'poll-ms': '100' };
  const flags = Object.entries(settings).flatMap(([flag, value]) => [`--${flag}`, value]);
  const resolution = program.resolve([...flags, '--drain-grace-ms', '10', ...argv], {});
  assert(resolution.kind === 'run');
  const metrics = new Metrics();
  const balancer = createBalancer({
    options: resolution.settings,
    logger: silentLogger,
    metrics: balancerMetrics(metrics),
    ending: { end: () => {}, signal: new AbortController().signal },
  });
  // What still runs writes into it.
  t.after(async () => {
    await balancer.stop();
    rmSync(state, { recursive: true, force: true });
  });
  const failing = async (): Promise<string> =>
    /^postern_balancer_failing (.+)$/m.exec(await metrics.text())?.[1] ?? '';
  return { balancer, state, failing };
}

function script(state: string, name: string, lines: string): string {
  const file = join(state, name);
  writeFileSync(file, `#!/bin/sh\ncd ${state}\n${lines}\n`);
  chmodSync(file, 0o700);
  return file;
}

const untilReady = (balancer: Service): Promise<unknown> =>
  until(
    () => balancer.ready().waitingFor,
    (missing) => missing.length === 0,
  );

test('where haproxy does not take the nodes of before, the start goes on and they are tried again', async (t) => {
  const { balancer, state, failing } = make(t, 'test -e willing');
  keepKnownNodes(state, known);
  await balancer.start();
  assert.deepEqual(balancer.ready().waitingFor, ['nodes', 'haproxy']);
  assert.equal(await failing(), '1');
  writeFileSync(join(state, 'willing'), '');
  await untilReady(balancer);
  await until(failing, (value) => value === '0');
});

test('the static address is held though the nodes cannot be kept for the next start', async (t) => {
  const { balancer, state } = make(t, 'true', '--virtual-addresses', '192.0.2.100/32');
  mkdirSync(join(state, 'nodes.json.next'));
  await balancer.start();
  await untilReady(balancer);
});

test('one that is told to stop while haproxy reads its configuration leaves no haproxy behind', async (t) => {
  const { balancer, state } = make(t, 'echo > reading; until test -e go; do sleep 0.02; done');
  keepKnownNodes(state, known);
  const started = balancer.start();
  await until(() => existsSync(join(state, 'reading')), Boolean);
  const stopped = balancer.stop();
  writeFileSync(join(state, 'go'), 'go\n');
  await Promise.all([started, stopped]);
  const pid = existsSync(join(state, 'pid')) ? Number(readFileSync(join(state, 'pid'), 'utf8')) : null;
  if (pid !== null) assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
  assert.equal(balancer.ready().ready, false);
});
