import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { silentLogger } from './logger.ts';
import { Metrics } from './metrics.ts';
import { OpsServer } from './ops-server.ts';
import type { Readiness, Service } from './service.ts';

async function withOps(
  readiness: { current: Readiness },
  run: (url: string) => Promise<void>,
  status: () => unknown = () => ({ fronts: 2n }),
): Promise<void> {
  const part: Service = {
    name: 'edge',
    start: async () => {},
    stop: async () => {},
    ready: () => readiness.current,
    status,
  };
  const metrics = new Metrics();
  metrics
    .counter({ name: 'postern.things', unit: '{thing}', help: 'Things.', labels: ['kind'] })
    .inc({ kind: 'a' }, 2);
  metrics.gauge({ name: 'postern.live', unit: '{thing}', help: 'Live.', read: () => 7 });
  const ops = new OpsServer({
    name: 'postern-test',
    version: '1.2.3',
    host: '127.0.0.1',
    port: 0,
    parts: () => [part],
    metrics,
    logger: silentLogger,
  });
  await ops.start();
  try {
    await run(ops.url ?? '');
  } finally {
    await ops.stop();
    await ops.stop();
  }
}

const readyNow = { current: { ready: true, waitingFor: [] } };

test('readiness is 503 with the parts it waits for, and 200 when there are none', async () => {
  const readiness: { current: Readiness } = { current: { ready: false, waitingFor: ['bus', 'routes'] } };
  await withOps(readiness, async (url) => {
    const waiting = await fetch(`${url}/readyz`);
    assert.equal(waiting.status, 503);
    assert.deepEqual(await waiting.json(), { ready: false, waitingFor: ['edge: bus', 'edge: routes'] });
    readiness.current = { ready: true, waitingFor: [] };
    assert.equal((await fetch(`${url}/readyz`)).status, 200);
    assert.equal((await fetch(`${url}/healthz`)).status, 200);
  });
});

test('metrics that are counted and metrics that are read are both shown', async () => {
  await withOps(readyNow, async (url) => {
    const text = await (await fetch(`${url}/metrics`)).text();
    assert.match(text, /^postern_things_total\{kind="a"\} 2$/m);
    assert.match(text, /^postern_live 7$/m);
  });
});

test('status shows all parts, or one', async () => {
  await withOps(readyNow, async (url) => {
    const all = (await (await fetch(`${url}/status`)).json()) as Record<string, unknown>;
    assert.equal(all['version'], '1.2.3');
    assert.deepEqual(all['parts'], { edge: { fronts: 2 } });
    assert.deepEqual(await (await fetch(`${url}/status/edge`)).json(), { fronts: 2 });
  });
});

test('what is not there is 404, and what is not a read is 405', async () => {
  await withOps(readyNow, async (url) => {
    assert.equal((await fetch(`${url}/etc/passwd`)).status, 404);
    assert.equal((await fetch(`${url}/status`, { method: 'POST', body: 'x' })).status, 405);
  });
});

test('a status that fails is a 500 without its text', async () => {
  const failing = (): never => {
    throw new Error('hush');
  };
  await withOps(
    readyNow,
    async (url) => {
      const answer = await fetch(`${url}/status`);
      assert.equal(answer.status, 500);
      assert.doesNotMatch(await answer.text(), /hush/);
    },
    failing,
  );
});

test('who asks again before it was answered is cut, and costs one answer', async () => {
  let made = 0;
  const status = (): unknown => {
    made += 1;
    return 'x'.repeat(10_000);
  };
  await withOps(
    readyNow,
    async (url) => {
      const caller = connect(Number(new URL(url).port), '127.0.0.1');
      caller.on('error', () => {}).resume();
      caller.write('GET /status HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(1_000));
      await once(caller, 'close');
      assert.equal(made, 1);
      assert.equal((await fetch(`${url}/status`)).status, 200);
    },
    status,
  );
});
