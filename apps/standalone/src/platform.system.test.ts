import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createSocket } from 'node:dgram';
import { request } from 'node:https';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, describe, it } from 'node:test';
import { Metrics, processMetrics } from '@postern/telemetry';
import type { Operator } from './operator.ts';
import { type Platform, createPlatform } from './platform.ts';
import { freePort } from './port-choice.ts';

const anyPorts = { connectPort: 0, httpPort: 0, tunnelPort: 0, adminPort: 0 };

function makeFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'postern-standalone-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function start(t: TestContext, state: string, settings: object = anyPorts): Promise<Platform> {
  const platform = createPlatform({ state, settings, version: '0.0.0' });
  t.after(() => platform.stop());
  await platform.start();
  return platform;
}

function operatorFile(state: string): Operator {
  return JSON.parse(readFileSync(join(state, 'operator.json'), 'utf8')) as Operator;
}

async function call(operator: Operator, method: string, path: string, body?: object): Promise<unknown> {
  const outgoing = request(new URL(`/api/v1${path}`, operator.adminUrl), {
    method,
    ca: readFileSync(operator.caFile),
    agent: false,
    headers: { authorization: `Bearer ${operator.apiKey}`, 'content-type': 'application/json' },
  });
  outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  const [incoming] = (await once(outgoing, 'response')) as [AsyncIterable<Buffer> & { statusCode: number }];
  assert(incoming.statusCode < 300, `${method} ${path}: ${incoming.statusCode}`);
  return JSON.parse(Buffer.concat(await Array.fromAsync(incoming)).toString());
}

describe('a platform in one process', () => {
  it('is ready when it has started, and says where everything is in a file for the operator alone', async (t) => {
    const state = makeFolder(t);
    const platform = await start(t, state);
    assert.deepEqual(platform.ready(), { ready: true, waitingFor: [] });
    const operator = operatorFile(state);
    assert.equal(statSync(join(state, 'operator.json')).mode & 0o777, 0o600);
    assert.equal(operator.platformHost, 'localhost');
    assert.equal(operator.caFile, join(state, 'ca.pem'));
    assert.equal(operator.dashboardUrl, `${operator.adminUrl}/api/docs`);
    assert.match(operator.connectUrl, /^https:\/\/127\.0\.0\.1:\d+$/);
    assert.equal(((await call(operator, 'GET', '/health')) as { status: string }).status, 'ok');
  });

  it('finds gateways, fronts, CA, key and the ports that it took for 0 again at its second start', async (t) => {
    const state = makeFolder(t);
    const first = await start(t, state);
    const before = operatorFile(state);
    const ca = readFileSync(before.caFile, 'utf8');
    const { id } = (await call(before, 'POST', '/gateways', { name: 'office' })) as { id: string };
    const destination = { name: 'db', resource: { host: '10.0.0.5', port: 5432 } };
    const made = (await call(before, 'POST', `/gateways/${id}/destinations`, destination)) as {
      front: object;
    };
    assert.equal((made.front as { host: string }).host, '127.0.0.1');
    await first.stop();

    await start(t, state);
    assert.deepEqual(operatorFile(state), before);
    assert.equal(readFileSync(before.caFile, 'utf8'), ca);
    const { items } = (await call(before, 'GET', `/gateways/${id}/destinations`)) as {
      items: { front: object }[];
    };
    assert.deepEqual(
      items.map(({ front }) => front),
      [made.front],
    );
  });

  it('shows the metrics that docs/METRICS.md has for it', async (t) => {
    const metrics = new Metrics();
    processMetrics(metrics);
    const platform = createPlatform({ state: makeFolder(t), settings: anyPorts, version: '0.0.0', metrics });
    t.after(() => platform.stop());
    await platform.start();
    const page = readFileSync(join(import.meta.dirname, '../../../docs/METRICS.md'), 'utf8');
    const rows = [...page.matchAll(/^\| `([^`]+)` \| `[^`]+` \| \w+ \| [^|]* \| ([^|]+) \|/gm)];
    const documented = rows.flatMap(([, name = '', programs = '']) =>
      programs.trim().split(', ').includes('standalone') ? [name] : [],
    );
    assert.deepEqual(
      metrics.list().map(({ name }) => name),
      documented.toSorted((one, other) => one.localeCompare(other)),
    );
  });

  it('refuses a folder that another platform runs on, and leaves that one alone', async (t) => {
    const state = makeFolder(t);
    await start(t, state);
    const before = operatorFile(state);
    await assert.rejects(createPlatform({ state, settings: anyPorts, version: '0.0.0' }).start(), {
      exitCode: 78,
      message: /^STANDALONE_STATE_IN_USE: /,
    });
    assert.deepEqual(operatorFile(state), before);
  });

  it('says what is wrong with a folder that cannot be made', async (t) => {
    const state = makeFolder(t);
    writeFileSync(join(state, 'file'), '');
    for (const path of ['/proc/postern', '/proc/postern/below', join(state, 'file', 'below')]) {
      await assert.rejects(start(t, path), {
        exitCode: 78,
        message: /^STANDALONE_STATE_UNUSABLE: .*give --state a folder/,
      });
    }
  });

  it('says which port is taken, and lets go of the folder', async (t) => {
    const state = makeFolder(t);
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    t.after(() => other.close());
    const { port } = other.address() as AddressInfo;
    await assert.rejects(start(t, state, { ...anyPorts, connectPort: port }), {
      exitCode: 78,
      message: new RegExp(`^STANDALONE_PORT_TAKEN: port ${port} of 127\\.0\\.0\\.1 `),
    });
    await start(t, state);
  });

  it('does not lay a port that two settings name to another program alone', async (t) => {
    const port = await freePort('127.0.0.1');
    await assert.rejects(start(t, makeFolder(t), { ...anyPorts, connectPort: port, tunnelPort: port }), {
      exitCode: 78,
      message: /^STANDALONE_PORT_TAKEN: .* or by another port of this one/,
    });
  });

  it('says which host to listen on nobody knows', async (t) => {
    const state = makeFolder(t);
    await assert.rejects(start(t, state, { ...anyPorts, listenHost: 'nowhere.invalid' }), {
      exitCode: 78,
      message: /^STANDALONE_PORT_TAKEN: nowhere\.invalid is no address of this machine/,
    });
  });

  it('allots no port to a front that another program has', async (t) => {
    const tcp = createServer().listen(0, '127.0.0.1');
    await once(tcp, 'listening');
    const { port } = tcp.address() as AddressInfo;
    const udp = createSocket('udp4').bind(port, '127.0.0.1');
    await once(udp, 'listening');
    t.after(() => [tcp.close(), udp.close()]);
    const state = makeFolder(t);
    await start(t, state, { ...anyPorts, frontPortFirst: port, frontPortLast: Math.min(port + 100, 65_535) });
    const operator = operatorFile(state);
    const { id } = (await call(operator, 'POST', '/gateways', { name: 'office' })) as { id: string };
    for (const protocol of ['tcp', 'udp']) {
      const resource = { host: '10.0.0.5', port: 514, protocol };
      const body = { name: protocol, resource };
      const made = (await call(operator, 'POST', `/gateways/${id}/destinations`, body)) as {
        front: { port: number };
      };
      assert.notEqual(made.front.port, port, protocol);
    }
  });

  it('is a new one still after a first start that failed', async (t) => {
    const state = makeFolder(t);
    await assert.rejects(start(t, state, { ...anyPorts, listenHost: '192.0.2.1' }), { exitCode: 78 });
    await start(t, state);
  });

  it('makes no new key-encryption key where there are documents', async (t) => {
    const state = makeFolder(t);
    await (await start(t, state)).stop();
    rmSync(join(state, 'key-encryption-key'));
    await assert.rejects(start(t, state), { exitCode: 78, message: /^STANDALONE_STATE_INCOMPLETE: / });
  });
});
