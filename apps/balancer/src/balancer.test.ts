import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Metrics, silentLogger } from '@postern/telemetry';
import { createBalancer } from './balancer.ts';
import { program } from './program.ts';
import { balancerMetrics } from './metrics.ts';

/** Starts one with these arguments, and a folder of its own. */
async function start(t: { after(work: () => void): void }, ...argv: string[]): Promise<void> {
  const state = mkdtempSync(join(tmpdir(), 'postern-balancer-'));
  t.after(() => rmSync(state, { recursive: true, force: true }));
  const resolution = program.resolve(['--state', state, '--platform-host', 'gw.example', ...argv], {});
  assert(resolution.kind === 'run');
  const metrics = balancerMetrics(new Metrics());
  const ending = { end: () => {}, signal: new AbortController().signal };
  await createBalancer({ options: resolution.settings, logger: silentLogger, metrics, ending }).start();
}

test('settings that name no nodes, or what is none, end the program with 78', async (t) => {
  await assert.rejects(start(t), { exitCode: 78, message: /^BALANCER_NODES_MISSING: / });
  await assert.rejects(start(t, '--nodes', 'bad_name=10.0.0.1'), {
    exitCode: 78,
    message: /^BALANCER_NODES_INVALID: /,
  });
});

test('ports of which haproxy would have one twice, and deal connections between the two, end the program with 78', async (t) => {
  const nodes = ['--nodes', 'edge-1=10.0.0.1'];
  for (const [argv, both] of [
    [['--front-port-first', '8990', '--front-port-last', '9090'], 'tunnelPort and a port of fronts'],
    [['--http-port', '15000'], 'httpPort and a port of fronts'],
    [['--connect-port', '9000'], 'tunnelPort and connectPort'],
  ] as const)
    await assert.rejects(start(t, ...nodes, ...argv), {
      exitCode: 78,
      message: new RegExp(`^ports must differ: ${both} would both be \\d+$`),
    });
});

test('--check-config refuses what a start refuses', () => {
  const check = (...argv: string[]): unknown =>
    program.resolve(['--state', '/state', '--platform-host', 'gw.example', '--check-config', ...argv], {});
  const nodes = ['--nodes', 'edge-1=10.0.0.1'];
  const message = (words: RegExp) => ({ code: 'CONFIG_INVALID', exitCode: 78, message: words });
  check(...nodes, '--virtual-addresses', '10.0.0.100/24');
  assert.throws(() => check(), message(/^BALANCER_NODES_MISSING: /));
  assert.throws(() => check('--nodes', 'bad_name=10.0.0.1'), message(/^BALANCER_NODES_INVALID: /));
  assert.throws(() => check(...nodes, '--tunnel-port', '443'), message(/^ports must differ: tunnelPort and/));
  const ports = ['--front-port-first', '15100'];
  assert.throws(() => check(...nodes, ...ports), message(/^frontPortLast, 15099, is below frontPortFirst/));
  for (const flag of ['--virtual-addresses', '--peers', '--own-address']) {
    assert.throws(() => check(...nodes, flag, '10.0.0.300'), message(/^not an address: 10\.0\.0\.300$/));
  }
});

test('settings that haproxy would read as something else are refused', () => {
  const resolve = (state: string, host: string) => () =>
    program.resolve(['--state', state, '--platform-host', host], {});
  resolve('/state', 'gw.example')();
  for (const state of ['state', '@state', '/a,b', '/a b', '/a#b']) {
    assert.throws(resolve(state, 'gw.example'), /state must be/, state);
  }
  for (const host of ['gw example', 'https://gw.example', 'gw.example }\nglobal']) {
    assert.throws(resolve('/state', host), /platform-host must be/, host);
  }
});
