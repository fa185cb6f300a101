import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { type AddressInfo, type Socket, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { addRules } from './access-list-command.ts';
import { answerAll, certificatePem } from './api.fixture.ts';
import { type Api, createApi } from './api.ts';
import { restoreBackup, takeBackup } from './backup/transfer.ts';
import { healthCommand, testCommand } from './check-command.ts';
import { drainNode } from './drain.ts';
import { describeError, exitCodeOf } from './errors.ts';

const header = { madeAt: '2026-01-01T00:00:00.000Z', platformVersion: '0.1.0', parts: [] };

async function apiThat(
  t: TestContext,
  answer: RequestListener,
): Promise<{ api: Api; handshakes: () => number }> {
  const { url, handshakes } = await answerAll(t, answer);
  return { api: createApi({ url, apiKey: 'k', caPem: certificatePem }), handshakes };
}

/** How a command ends with that answer, and what it says. */
async function endOf(
  t: TestContext,
  status: number,
  body: string,
  ask: (api: Api) => Promise<unknown> = (api) => api.call('GET', '/health'),
): Promise<[number, string]> {
  const { api } = await apiThat(t, (_, response) => response.writeHead(status).end(body));
  try {
    await ask(api);
  } catch (error) {
    return [exitCodeOf(error), describeError(error)];
  }
  return [0, ''];
}

test('the operator is told at which nodes a change is not known to be in force', async (t) => {
  const named = ['edge-2, edge-3', '*'];
  const { url } = await answerAll(t, (_, response) =>
    response.writeHead(204, { 'postern-not-in-force-at': named[told.length] }).end(),
  );
  const told: string[] = [];
  const api = createApi({ url, apiKey: 'k', caPem: certificatePem }, (line) => told.push(line));
  for (const _ of named) assert.equal(await api.call('DELETE', '/gateways/g1/tokens/t1'), null);
  assert.equal(told.length, 2);
  assert.match(told[0] ?? '', /not known to be in force at edge-2, edge-3:/);
  assert.match(told[1] ?? '', /not known to be in force at any node:/);
});

test('a balancer that finds no node ends a command with 69 and the status, whatever it answers with', async (t) => {
  for (const status of [429, 502, 503, 504]) {
    for (const body of ['<html>no server</html>', '{"message":"no server"}', '']) {
      const [exitCode, said] = await endOf(t, status, body);
      assert.equal(exitCode, 69, `${status} ${body}`);
      assert.match(said, new RegExp(`^CLI_UNREACHABLE: https://localhost:\\d+ answered ${status},`));
    }
  }
  assert.equal((await endOf(t, 502, '{"code":"X"}'))[0], 69);
});

test('what is not the admin API ends a command with 70 and a line that says so', async (t) => {
  for (const [status, body] of [
    [302, ''],
    [404, '<html>'],
    [200, '<html>'],
    [200, ''],
    [200, 'null'],
    [200, '[]'],
  ] as const) {
    const [exitCode, said] = await endOf(t, status, body);
    assert.equal(exitCode, 70, `${status} ${body}`);
    assert.match(said, /^CLI_ANSWER_INVALID: /);
  }
  for (const body of ['{"items":null}', '{}', '{"items":[],"nextCursor":7}']) {
    const [exitCode, said] = await endOf(t, 200, body, (api) => api.list('/gateways'));
    assert.equal(exitCode, 70, body);
    assert.match(said, /^CLI_ANSWER_INVALID: the answer is no list/);
  }
});

test('an answer in another protocol ends a command with 69', async (t) => {
  const { api } = await apiThat(t, (_, response) =>
    response.writeHead(101, { connection: 'upgrade', upgrade: 'x' }).end(),
  );
  await assert.rejects(api.call('GET', '/health'), { code: 'CLI_UNREACHABLE', message: /another protocol/ });
});

test('an API that takes connections and says nothing on them ends a command with 69 after 10 s', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const still = createServer();
  t.after(() => still.close());
  await once(still.listen(0, '127.0.0.1'), 'listening');
  const url = new URL(`https://127.0.0.1:${(still.address() as AddressInfo).port}`);
  const taken = once(still, 'connection') as Promise<[Socket]>;
  const refused = assert.rejects(createApi({ url, apiKey: 'k', caPem: null }).call('GET', '/health'), {
    code: 'CLI_UNREACHABLE',
    message: /no connection within 10 s/,
  });
  const [socket] = await taken;
  t.mock.timers.tick(10_000);
  await refused;
  socket.destroy();
});

test('a certificate of another CA ends a command with 69, and with no advice on how to run Node', async (t) => {
  const { url } = await answerAll(t, (_, response) => response.end('{}'));
  const api = createApi({ url, apiKey: 'k', caPem: null });
  await assert.rejects(api.call('GET', '/health'), (error) => {
    assert.equal(exitCodeOf(error), 69);
    assert.match(describeError(error), /^CLI_UNREACHABLE: .*certificate.*\n.*--ca$/);
    assert.doesNotMatch(describeError(error), /Node/);
    return true;
  });
});

test('a test of a disabled destination says that its front refuses callers all the same', async (t) => {
  const said = async (enabled: boolean): Promise<string[]> => {
    const { api } = await apiThat(t, ({ method }, response) =>
      response.end(method === 'GET' ? JSON.stringify({ enabled }) : '{"ok":true,"clients":[],"nodes":[]}'),
    );
    const lines: string[] = [];
    const tell = (line: string) => void lines.push(line);
    await testCommand({ api: () => api, print: () => undefined, tell }).parseAsync(['g', 'd'], {
      from: 'user',
    });
    return lines;
  };
  assert.deepEqual(await said(true), []);
  assert.match((await said(false)).join(), /^the destination is disabled.* update g d --enable/);
});

test('a problem whose members are something else than they should be is told as far as it goes', async (t) => {
  const problem = { code: 'X', detail: 7, title: 'no', errors: 'none' };
  assert.deepEqual(await endOf(t, 400, JSON.stringify(problem)), [64, 'X: no']);
  const errors = [null, 7, { path: '/a' }, { path: '/a', message: 'm' }];
  assert.deepEqual(await endOf(t, 400, JSON.stringify({ ...problem, errors })), [64, 'X: no\n  /a m']);
});

test('a list comes in pages as long as they may be, over one connection', async (t) => {
  const asked: (string | undefined)[] = [];
  const { api, handshakes } = await apiThat(t, ({ url }, response) => {
    asked.push(url);
    response.end(JSON.stringify({ items: [asked.length], nextCursor: asked.length < 3 ? 'a&b' : null }));
  });
  assert.deepEqual(await api.list('/gateways'), [1, 2, 3]);
  const next = '/api/v1/gateways?limit=200&cursor=a%26b';
  assert.deepEqual(asked, ['/api/v1/gateways?limit=200', next, next]);
  assert.equal(handshakes(), 1);
});

test('a connection that the other end has closed is replaced for what only reads', async (t) => {
  let asked = 0;
  const { api, handshakes } = await apiThat(t, ({ socket }, response) => {
    asked += 1;
    if (asked === 2) socket.destroy();
    else response.end('{}');
  });
  await api.call('GET', '/health');
  await api.call('GET', '/health');
  assert.deepEqual([asked, handshakes()], [3, 2]);
});

test('health warns of a node that is gone, and ends with 0 while others serve', async (t) => {
  const parts = [{ name: 'router', ok: true, code: null }];
  const warnings = ['the node edge-2 is silent'];
  const { api } = await apiThat(t, (_, response) =>
    response.end(JSON.stringify({ status: 'ok', nodes: { ready: 1, known: 2 }, parts, warnings })),
  );
  let shown = '';
  const health = healthCommand({ api: () => api, print: (_value, text) => (shown = text) });
  const before = process.exitCode;
  await health.parseAsync([], { from: 'user' });
  assert.equal(process.exitCode, before);
  assert.match(shown, /router[^\n]*\n\nWarning: the node edge-2 is silent$/);
});

test('an answer of another shape than a command reads ends it with 70 and a line that says where, not a stack', async (t) => {
  const { api } = await apiThat(t, (_, response) => response.end('{"rules":7,"state":"x","bootId":null}'));
  const health = healthCommand({ api: () => api, print: () => undefined });
  const asked: (() => Promise<unknown>)[] = [
    () => health.parseAsync([], { from: 'user' }),
    () => addRules(api, '/gateways/g/access-list', []),
    () => drainNode(api, 'edge-1', true, () => undefined),
    () => takeBackup(api, '/nonexistent/x', false),
    () =>
      restoreBackup(api, { header, read: () => Promise.reject(new Error('not read')) }, { overwrite: false }),
  ];
  for (const ask of asked) {
    await assert.rejects(ask, (error) => {
      assert.equal(exitCodeOf(error), 70);
      assert.match(
        describeError(error),
        /^CLI_ANSWER_INVALID: the answer is not what this version understands \(/,
      );
      return true;
    });
  }
});
