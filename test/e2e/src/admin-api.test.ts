// Every call of the admin API over HTTPS on a real platform with a client connected, each answer held against the
// OpenAPI that the platform itself serves. The owners are the real ones; the tests beside the API have stand-ins.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Description, type DescriptionDocument } from '@postern/admin/description';
import { type JsonAnswer, type Resource, type Site, startEcho, startSite } from '@postern/test-cluster';
import { until } from '@postern/test-kit';
import { createAuthority } from '@postern/tls';
import { onEachPlatform } from './fixture/platforms.ts';

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

let echo: Resource;

before(async () => {
  echo = await startEcho();
});
after(() => echo.stop());

onEachPlatform((booted) => {
  let site: Site;
  let description: Description;
  before(async () => {
    const { platform } = booted();
    site = await startSite(platform, { resources: { echo } });
    description = new Description(await platform.admin.call<DescriptionDocument>('GET', '/openapi.json'));
  });
  after(() => site.stop());

  /** Calls, and holds the answer against the description. */
  async function call<T = unknown>(
    method: Method,
    path: string,
    status: number,
    body?: object,
    headers?: Record<string, string>,
  ): Promise<T> {
    return (await answerOf(method, path, status, body, headers)).body as T;
  }

  async function answerOf(
    method: Method,
    path: string,
    status: number,
    body?: object,
    headers?: Record<string, string>,
  ): Promise<JsonAnswer> {
    const answer = await booted().platform.admin.send(method, path, body, headers);
    assert.equal(answer.status, status, `${method} ${path}: ${JSON.stringify(answer.body)}`);
    const contentType = String(answer.headers['content-type']);
    description.check(method, path, { status, contentType, body: answer.body });
    return answer;
  }

  test('every call is answered as the platform describes it', async () => {
    const gateway = await call<{ id: string }>('POST', '/gateways', 201, { name: 'plant' });
    const at = `/gateways/${gateway.id}`;
    const { items } = await call<{ items: { id: string }[] }>('GET', '/gateways', 200);
    assert.ok(items.some(({ id }) => id === gateway.id));
    assert.deepEqual(await call('GET', at, 200), gateway);
    await call('PATCH', at, 200, { description: 'north' });

    const token = await call<{ id: string; token: string }>('POST', `${at}/tokens`, 201, {
      expiresInDays: 1,
    });
    const listed = await call('GET', `${at}/tokens`, 200);
    assert.doesNotMatch(JSON.stringify(listed), new RegExp(token.token));
    await call('GET', `${at}/tokens/${token.id}`, 200);
    await call('DELETE', `${at}/tokens/${token.id}`, 204);
    await call('GET', `${at}/tokens/${token.id}`, 404);

    const resource = { host: '10.0.0.5', port: 5432 };
    const destination = await call<{ id: string; front: { port: number } }>(
      'POST',
      `${at}/destinations`,
      201,
      {
        name: 'orders',
        resource,
      },
    );
    const there = `${at}/destinations/${destination.id}`;
    await call('GET', `${at}/destinations`, 200);
    await call('GET', there, 200);
    const read = await call<{ accessList: object; health: object; front: object }>('GET', there, 200);
    const sentBack = await call<{ enabled: boolean } & typeof read>('PATCH', there, 200, {
      ...read,
      enabled: false,
    });
    assert.deepEqual([sentBack.enabled, sentBack.front], [false, read.front]);
    await call('GET', `${there}/source-rules`, 200);
    await call('PUT', `${there}/source-rules`, 200, { restricted: true, rules: [{ source: '10.0.0.0/8' }] });
    await call('POST', `${there}/source-rules`, 200, { source: '127.0.0.1', app: 'ci' });
    const again = await call<{ rules: { source: string; app?: string }[] }>(
      'POST',
      `${there}/source-rules`,
      200,
      { source: '127.0.0.2', app: 'ci' },
    );
    const said = again.rules.map(({ source, app }) => [source, app]);
    assert.deepEqual(said, [
      ['10.0.0.0/8', undefined],
      ['127.0.0.2', 'ci'],
    ]);

    await call('GET', `${at}/access-list`, 200);
    await call('PUT', `${at}/access-list`, 200, { rules: [{ action: 'allow', host: '*', port: '*' }] });
    await call('POST', `${at}/access-list/explain`, 200, { host: '10.0.0.5', port: 5432 });

    await call('GET', '/fronts', 200);
    const nodes = await call<{ items: { name: string }[] }>('GET', '/nodes', 200);
    assert.equal(nodes.items.length, booted().platform.nodeHosts.length);
    for (const { name } of nodes.items) await call('GET', `/nodes/${name}`, 200);
    await call('GET', '/health', 200);

    const { certificatePem: pem } = await createAuthority({ commonName: 'Plant CA' });
    const certificate = await call<{ id: string }>('POST', '/certificates', 201, { name: 'plant', pem });
    const held = `/certificates/${certificate.id}`;
    await call('POST', '/certificates/generate', 201, { name: 'till', usage: 'client', subject: 'till 7' });
    await call('GET', '/certificates', 200);
    await call('GET', held, 200);
    await call('PATCH', held, 200, { name: 'the plant' });
    await call('DELETE', held, 204);
    await call('GET', '/key-rotation', 200);
    await call('POST', '/key-rotation', 200);

    const backup = await call<{ parts: { room: string; handle: string }[] }>('POST', '/backups', 201);
    const parts = backup.parts.map(({ handle: _handle, ...part }) => part);
    await call('POST', '/restores', 409, { parts });
    const restore = await call<{ id: string }>('POST', '/restores', 201, { parts, overwrite: true });
    for (const { room, handle } of backup.parts) {
      const { data } = await call<{ data: string }>('GET', `/backups/${room}/${handle}`, 200);
      await call('POST', `/restores/${restore.id}/pieces`, 204, { room, index: 0, data });
      await call('POST', `/restores/${restore.id}/check`, 200, { room });
    }
    await call('DELETE', `/restores/${restore.id}`, 204);
    await call('POST', `/restores/${restore.id}/commit`, 404, { room: 'acl' });

    const key = await call<{ id: string }>('POST', '/api-keys', 201, { name: 'ci', role: 'viewer' });
    await call('GET', '/api-keys', 200);
    await call('GET', `/api-keys/${key.id}`, 200);
    await call('DELETE', `/api-keys/${key.id}`, 204);

    await call('DELETE', there, 204);
    await call('DELETE', at, 204);
    await call('GET', at, 404);
  });

  test('a connected client is shown with its tunnels, and ended', async () => {
    const clients = `/gateways/${site.gateway.id}/clients`;
    const { items } = await until(
      () => call<{ items: { id: string; name: string; tunnels: { node: string }[] }[] }>('GET', clients, 200),
      (shown) => (shown.items[0]?.tunnels.length ?? 0) >= 2,
    );
    const [client] = items;
    assert.deepEqual([client?.id, client?.name], [site.client.clientId, 'client']);
    const nodes = new Set(client?.tunnels.map(({ node }) => node));
    assert.equal(nodes.size, booted().platform.nodeHosts.length);
    await call('GET', `${clients}/${site.client.clientId}`, 200);
    const ping = await call<{ tunnels: unknown[] }>('POST', `${clients}/${site.client.clientId}/ping`, 200);
    assert.equal(ping.tunnels.length, client?.tunnels.length);
    const tested = `/gateways/${site.gateway.id}/destinations/${site.destination('echo').id}/test`;
    await call('POST', tested, 200);
    await call('DELETE', `${clients}/${site.client.clientId}`, 204);
    assert.equal((await site.client.part.exited).code, 0);
    await until(
      () => call<{ items: unknown[] }>('GET', clients, 200),
      (shown) => shown.items.length === 0,
    );
  });

  test('errors are problems with a code, as they are described', async () => {
    const at = `/gateways/${site.gateway.id}`;
    await call('GET', '/gateways/none', 404);
    await call('GET', '/gateways?limit=0', 400);
    await call('POST', '/gateways', 400, { nme: 'x' });
    await call('POST', `${at}/destinations`, 400, { name: 'x', resource: { host: 'h', port: 70_000 } });
    await call('GET', '/nodes/none', 404);
    await call('GET', '/api-keys/none', 404);
    await call('GET', `${at}/clients/none`, 404);
    await call('PUT', `${at}/access-list`, 400, {
      rules: [{ action: 'allow', host: '10.0.0.0/99', port: '*' }],
    });
    const front = { port: site.destination('echo').front?.port };
    const taken = { name: 'taken', resource: { host: 'h', port: 1 }, front };
    const problem = await call<{ code: string; detail: string }>('POST', `${at}/destinations`, 409, taken);
    assert.match(problem.detail, new RegExp(String(front.port)));
    const unknown = { authorization: 'Bearer pk_unknown' };
    assert.equal(
      (await call<{ code: string }>('GET', '/gateways', 401, undefined, unknown)).code,
      'ADMIN_KEY_WRONG',
    );
  });

  test('a stale revision is refused, and a repeated POST makes nothing twice', async () => {
    const named = { 'idempotency-key': `plant-${site.gateway.id}` };
    const first = await answerOf('POST', '/gateways', 201, { name: 'once' }, named);
    const second = await answerOf('POST', '/gateways', 201, { name: 'once' }, named);
    assert.deepEqual(second.body, first.body);
    const { id } = first.body as { id: string };
    const tag = String((await answerOf('GET', `/gateways/${id}`, 200)).headers['etag']);
    await call('PATCH', `/gateways/${id}`, 200, { description: 'one' }, { 'if-match': tag });
    await call('PATCH', `/gateways/${id}`, 412, { description: 'two' }, { 'if-match': tag });
    await call('DELETE', `/gateways/${id}`, 204);
  });

  test('a node that is drained says so, and takes no more callers', async () => {
    const name = 'edge-1';
    await call('POST', '/nodes/none/drain', 404);
    const node = await call<{ draining: boolean }>('POST', `/nodes/${name}/drain`, 200);
    assert.equal(node.draining, true);
    await until(
      () => call<{ ready: boolean }>('GET', `/nodes/${name}`, 200),
      ({ ready }) => !ready,
    );
  });

  test('no call is left out', () => {
    assert.deepEqual(description.uncalled, []);
  });
});
