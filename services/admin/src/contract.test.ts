/** Every call of the API, answered as its description says; and the description itself is valid OpenAPI 3.1. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import type { InjectOptions, LightMyRequestResponse } from 'fastify';
import { Description, type DescriptionDocument } from './fixture/description.ts';
import { permissions } from './http/permission.ts';
import { testKeys, testPlatform, type TestPlatform } from './fixture/platform.ts';

interface Part {
  readonly room: string;
  readonly handle: string;
}

describe('the admin API', () => {
  let platform: TestPlatform;
  let description: Description;

  before(async () => {
    platform = await testPlatform();
    const answer = await platform.app.inject('/api/v1/openapi.json');
    description = new Description(answer.json<DescriptionDocument>());
  });
  after(() => platform.close());

  /** Calls, and holds the answer against the description. */
  async function call(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    status: number,
    payload?: object,
  ): Promise<LightMyRequestResponse> {
    const request: InjectOptions = {
      method,
      url: `/api/v1${path}`,
      headers: { authorization: `Bearer ${testKeys.owner}` },
      ...(payload === undefined ? {} : { payload }),
    };
    const answer = await platform.app.inject(request);
    assert.equal(answer.statusCode, status, `${method} ${path}: ${answer.body}`);
    const contentType = String(answer.headers['content-type']);
    description.check(method, path, {
      status,
      contentType,
      body: answer.body === '' ? null : answer.json<unknown>(),
    });
    return answer;
  }

  it('describes itself in valid OpenAPI 3.1, readable without a key', async () => {
    assert.equal(description.document.openapi, '3.1.0');
    const { valid, errors } = await new Validator().validate({ ...structuredClone(description.document) });
    assert.equal(valid, true, JSON.stringify(errors));
  });

  it('describes every route of the table of permissions and no other', () => {
    const described = Object.entries(description.document.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map(
        (method) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`,
      ),
    );
    assert.deepEqual(described.sort(), Object.keys(permissions).sort());
  });

  it('gives every operation a name of its own', () => {
    const names = description.operations.map((operation) => operation.operationId);
    assert.equal(new Set(names).size, names.length);
  });

  it('answers every call as it is described', async () => {
    const gateway = (await call('POST', '/gateways', 201, { name: 'plant' })).json<{ id: string }>();
    const at = `/gateways/${gateway.id}`;
    await call('GET', '/gateways', 200);
    await call('GET', at, 200);
    await call('PATCH', at, 200, { description: 'north' });

    const token = (await call('POST', `${at}/tokens`, 201, {})).json<{ id: string }>();
    await call('GET', `${at}/tokens`, 200);
    await call('GET', `${at}/tokens/${token.id}`, 200);
    await call('DELETE', `${at}/tokens/${token.id}`, 204);

    const resource = { host: '10.0.0.5', port: 5432 };
    const destination = (
      await call('POST', `${at}/destinations`, 201, { name: 'orders', resource, health: { kind: 'tcp' } })
    ).json<{
      id: string;
    }>();
    const there = `${at}/destinations/${destination.id}`;
    await call('GET', `${at}/destinations`, 200);
    await call('GET', there, 200);
    await call('PATCH', there, 200, { enabled: false });
    await call('POST', `${there}/test?client=client1`, 200);
    await call('GET', `${there}/source-rules`, 200);
    await call('PUT', `${there}/source-rules`, 200, { restricted: true, rules: [{ source: '10.0.0.0/8' }] });
    await call('POST', `${there}/source-rules`, 200, { source: '127.0.0.1', app: 'ci' });

    await call('GET', `${at}/access-list`, 200);
    await call('PUT', `${at}/access-list`, 200, { rules: [{ action: 'allow', host: '*', port: '*' }] });
    await call('POST', `${at}/access-list/explain`, 200, { host: '10.0.0.5', port: 5432 });

    await call('GET', `${at}/clients`, 200);
    await call('GET', `${at}/clients/client1`, 200);
    await call('POST', `${at}/clients/client1/ping`, 200);
    await call('DELETE', `${at}/clients/client1`, 204);

    await call('GET', '/fronts', 200);
    await call('GET', '/nodes', 200);
    await call('GET', '/nodes?limit=1', 200);
    await call('GET', '/nodes/edge-1', 200);
    await call('POST', '/nodes/edge-1/drain', 200);
    await call('GET', '/health', 200);

    const pem = 'any';
    const certificate = (await call('POST', '/certificates', 201, { name: 'shop', pem })).json<{
      id: string;
    }>();
    const held = `/certificates/${certificate.id}`;
    await call('POST', '/certificates/generate', 201, { name: 'x', usage: 'client', subject: 'x' });
    await call('GET', '/certificates', 200);
    await call('GET', held, 200);
    await call('PATCH', held, 200, { name: 'front' });
    await call('DELETE', held, 204);
    await call('GET', '/key-rotation', 200);
    await call('POST', '/key-rotation', 200);

    const backup = (await call('POST', '/backups', 201)).json<{ parts: Part[] }>();
    const parts = backup.parts.map(({ handle: _handle, ...part }) => part);
    const restore = (await call('POST', '/restores', 201, { parts })).json<{ id: string }>();
    for (const { room, handle } of backup.parts) {
      const piece = (await call('GET', `/backups/${room}/${handle}`, 200)).json<{ data: string }>();
      await call('POST', `/restores/${restore.id}/pieces`, 204, { room, index: 0, data: piece.data });
    }
    for (const { room } of parts) await call('POST', `/restores/${restore.id}/check`, 200, { room });
    for (const { room } of parts) await call('POST', `/restores/${restore.id}/commit`, 204, { room });
    await call('DELETE', `/restores/${restore.id}`, 204);

    const key = (await call('POST', '/api-keys', 201, { name: 'ci', role: 'viewer' })).json<{ id: string }>();
    await call('GET', '/api-keys', 200);
    await call('GET', `/api-keys/${key.id}`, 200);
    await call('DELETE', `/api-keys/${key.id}`, 204);

    await call('DELETE', there, 204);
    await call('DELETE', at, 204);
    assert.deepEqual(description.uncalled, []);
  });

  it('answers errors as they are described', async () => {
    await call('GET', '/gateways/none', 404);
    await call('GET', '/gateways?limit=0', 400);
    await call('POST', '/gateways', 400, { nme: 'x' });
    await call('GET', '/nodes/none', 404);
    await call('POST', '/nodes/none/drain', 404);
    await call('GET', '/api-keys/none', 404);
    await call('GET', '/gateways/none/clients/none', 404);
    await call('GET', '/backups/acl/none.none', 404);
    await call('POST', '/restores/0123456789abcdef/commit', 404, { room: 'acl' });
  });
});
