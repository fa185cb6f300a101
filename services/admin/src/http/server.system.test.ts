import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { BusError } from '@postern/bus';
import type { InjectOptions, LightMyRequestResponse } from 'fastify';
import { Type } from 'typebox';
import { Metrics, silentLogger } from '@postern/telemetry';
import { adminMetrics } from '../metrics.ts';
import { testKeys, testPlatform, type TestPlatform } from '../fixture/platform.ts';
import { Authenticator } from './authentication.ts';
import { type Answer, endpoint } from './endpoint.ts';
import { IdempotencyKeeper } from './idempotency.ts';
import type { Problem } from './problem.ts';
import { bodyBytesMax } from './json-body.ts';
import { connectionsMax, createServer } from './server.ts';

let platform: TestPlatform;
beforeEach(async () => {
  platform = await testPlatform();
});
afterEach(() => platform.close());

type Extra = Omit<InjectOptions, 'method' | 'url'> & { key?: string | null };

async function send(
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS',
  path: string,
  { key = testKeys.owner, headers = {}, ...rest }: Extra = {},
): Promise<LightMyRequestResponse> {
  const authorization = key === null ? {} : { authorization: `Bearer ${key}` };
  return platform.app.inject({
    method,
    url: `/api/v1${path}`,
    headers: { ...authorization, ...headers },
    ...rest,
  });
}

function problem(answer: LightMyRequestResponse): Problem {
  assert.match(String(answer.headers['content-type']), /^application\/problem\+json/);
  const body = answer.json<Problem>();
  assert.equal(body.status, answer.statusCode);
  assert.equal(body.trackingId, answer.headers['x-tracking-id']);
  return body;
}

/** For what `inject` cannot show; the port. */
async function listen(): Promise<number> {
  return Number(new URL(await platform.app.listen({ host: '127.0.0.1', port: 0 })).port);
}

async function makeGateway(name = 'plant'): Promise<{ id: string; revision: number }> {
  return (await send('POST', '/gateways', { payload: { name } })).json();
}

describe('a key', () => {
  it('is needed for everything but the description of the API', async () => {
    for (const path of ['/gateways', '/health', '/nodes', '/api-keys']) {
      const answer = await send('GET', path, { key: null });
      assert.equal(problem(answer).code, 'ADMIN_KEY_MISSING');
      assert.match(String(answer.headers['www-authenticate']), /^Bearer/);
    }
    assert.equal((await send('GET', '/openapi.json', { key: null })).statusCode, 200);
  });

  it('that is wrong, cut, overlong or of another scheme is refused with 401', async () => {
    for (const authorization of [
      'Bearer nonsense',
      'Basic b3duZXI6a2V5',
      'Bearer',
      `Bearer ${'x'.repeat(257)}`,
    ]) {
      const answer = await send('GET', '/gateways', { key: null, headers: { authorization } });
      assert.equal(answer.statusCode, 401, authorization);
      assert.equal(problem(answer).code, 'ADMIN_KEY_WRONG');
    }
  });

  it('is asked about before a byte of the body has come', async () => {
    const socket = connect(await listen(), '127.0.0.1').setEncoding('utf8');
    const head =
      'POST /api/v1/gateways HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2';
    socket.write(`${head}\r\nauthorization: Bearer nonsense\r\n\r\n`);
    const [answer] = (await once(socket, 'data')) as [string];
    socket.destroy();
    assert.match(answer, /^HTTP\/1\.1 401 /);
  });

  it('of a viewer changes nothing, of an operator makes no keys', async () => {
    const { id } = await makeGateway();
    const viewer = { key: testKeys.viewer };
    assert.equal((await send('GET', `/gateways/${id}`, viewer)).statusCode, 200);
    for (const [method, path] of [
      ['POST', '/gateways'],
      ['PATCH', `/gateways/${id}`],
      ['DELETE', `/gateways/${id}`],
      ['POST', `/gateways/${id}/tokens`],
      ['PUT', `/gateways/${id}/access-list`],
    ] as const) {
      assert.equal(problem(await send(method, path, { ...viewer, payload: {} })).code, 'ADMIN_ROLE_DENIED');
    }
    const operator = { key: testKeys.operator };
    assert.equal((await send('PATCH', `/gateways/${id}`, { ...operator, payload: {} })).statusCode, 200);
    assert.equal(problem(await send('GET', '/api-keys', operator)).code, 'ADMIN_ROLE_DENIED');
  });

  it('for certain gateways sees no other, nor whether there is one', async () => {
    const [own, other] = [await makeGateway('own'), await makeGateway('other')];
    platform.addKey('tenant', 'owner', [own.id]);
    const tenant = { key: 'tenant' };
    const list = (await send('GET', '/gateways', tenant)).json<{ items: { id: string }[] }>();
    assert.deepEqual(
      list.items.map((gateway) => gateway.id),
      [own.id],
    );
    assert.equal((await send('GET', `/gateways/${own.id}`, tenant)).statusCode, 200);

    const there = problem(await send('GET', `/gateways/${other.id}`, tenant));
    const nowhere = problem(await send('GET', '/gateways/nowhere', tenant));
    assert.deepEqual({ ...there, trackingId: '' }, { ...nowhere, trackingId: '' });
    assert.equal(there.code, 'ADMIN_GATEWAY_DENIED');

    for (const path of [
      `/gateways/${other.id}/tokens`,
      `/gateways/${other.id}/clients`,
      '/nodes',
      '/api-keys',
    ]) {
      assert.equal((await send('GET', path, tenant)).statusCode, 403, path);
    }
    assert.equal((await send('POST', '/gateways', { ...tenant, payload: { name: 'x' } })).statusCode, 403);
    assert.deepEqual((await send('GET', '/fronts', tenant)).json<{ items: unknown[] }>().items, []);
  });

  it('that was deleted is refused at once', async () => {
    const made = (await send('POST', '/api-keys', { payload: { name: 'ci', role: 'viewer' } })).json<{
      id: string;
      key: string;
    }>();
    assert.equal((await send('GET', '/gateways', { key: made.key })).statusCode, 200);
    await send('DELETE', `/api-keys/${made.id}`);
    await platform.bus.flush(1_000);
    assert.equal((await send('GET', '/gateways', { key: made.key })).statusCode, 401);
  });
});

describe('a body', () => {
  it('may be missing where no field of it must be there', async () => {
    const { id } = await makeGateway();
    assert.equal((await send('POST', `/gateways/${id}/tokens`)).statusCode, 201);
    const missing = problem(await send('POST', '/gateways'));
    assert.deepEqual(missing.errors, [{ path: '/name', message: 'is required' }]);
  });

  it('that is not in UTF-8 is refused, not stored as something else', async () => {
    const payload = Buffer.from('{"name":"M\xfcnchen"}', 'latin1');
    const answer = await send('POST', '/gateways', {
      payload,
      headers: { 'content-type': 'application/json' },
    });
    assert.equal(problem(answer).code, 'ADMIN_BODY_NOT_JSON');
  });

  it('that is no JSON has its fault in errors too, at the pointer of the whole', async () => {
    for (const [payload, message] of [
      ['{"name":', 'is no JSON text, or is not as long as it says'],
      [Buffer.from('"\xfc"', 'latin1'), 'is not in UTF-8'],
    ] as const) {
      const headers = { 'content-type': 'application/json' };
      const { errors } = problem(await send('POST', '/gateways', { payload, headers }));
      assert.deepEqual(errors, [{ path: '', message }]);
    }
  });

  it('with an unknown field, a missing one or a wrong one is refused with JSON pointers', async () => {
    const unknown = problem(await send('POST', '/gateways', { payload: { name: 'x', colour: 'red' } }));
    assert.equal(unknown.status, 400);
    assert.deepEqual(unknown.errors, [{ path: '/colour', message: 'is not a known field' }]);
    const missing = problem(await send('POST', '/gateways', { payload: {} }));
    assert.deepEqual(missing.errors, [{ path: '/name', message: 'is required' }]);
    const { id } = await makeGateway();
    const wrong = problem(
      await send('POST', `/gateways/${id}/destinations`, {
        payload: {
          name: 'x',
          resource: { host: 'db', port: 70000, tls: { mode: 'maybe' } },
          front: { prt: 1 },
        },
      }),
    );
    assert.deepEqual(
      new Set(wrong.errors?.map((fault) => fault.path)),
      new Set(['/resource/port', '/resource/tls/mode', '/front/prt']),
    );
  });

  it('with a name of a caller or a revocation list in another form is told the form, not a pattern', async () => {
    const { id } = await makeGateway();
    const tls = {
      mode: 'mutual',
      clientNames: ['CN=alice'],
      revocationLists: ['\ufeff-----BEGIN X509 CRL-----'],
    };
    const payload = { name: 'x', resource: { host: 'db', port: 1 }, front: { tls } };
    const { errors = [] } = problem(await send('POST', `/gateways/${id}/destinations`, { payload }));
    const told = new Map(errors.map(({ path, message }) => [path, message]));
    assert.match(
      told.get('/front/tls/clientNames/0') ?? '',
      /^must be the kind of a name and the name, such as CN:/,
    );
    assert.match(
      told.get('/front/tls/revocationLists/0') ?? '',
      /has nothing before that .*openssl crl -inform DER/,
    );
  });

  it('of a destination with a field below its objects that is not known is refused by its name, not taken without it', async () => {
    const { id } = await makeGateway();
    const resource = { host: 'db', port: 5432 };
    const cases = [
      [{ resource: { ...resource, tls: { mode: 'tls', servername: 'x' } } }, '/resource/tls/servername'],
      [{ resource, front: { tls: { mode: 'mutual', clientnames: ['CN:x'] } } }, '/front/tls/clientnames'],
      [{ resource, health: { kind: 'tcp', intervalSecond: 1 } }, '/health/intervalSecond'],
      [
        { resource, kind: 'cloud', clientPort: 1, listener: { tls: { clientCAIds: ['x'] } } },
        '/listener/tls/clientCAIds',
      ],
    ] as const;
    for (const [payload, path] of cases) {
      const made = await send('POST', `/gateways/${id}/destinations`, { payload: { name: 'x', ...payload } });
      assert.deepEqual(problem(made).errors, [{ path, message: 'is not a known field' }]);
    }
  });

  it('with a control character in what is one line is refused', async () => {
    const { id } = await makeGateway();
    const resource = { host: 'db', port: 5432 };
    const cases = [
      ['POST', '/gateways', { name: 'a\nb' }, '/name'],
      ['PATCH', `/gateways/${id}`, { description: '\u001b[2J' }, '/description'],
      ['POST', `/gateways/${id}/destinations`, { name: 'a\u0000b', resource }, '/name'],
      ['POST', `/gateways/${id}/tokens`, { note: 'a\u0085b' }, '/note'],
      ['POST', '/api-keys', { name: 'a\tb', role: 'viewer' }, '/name'],
      ['POST', '/certificates/generate', { name: 'a\rb', usage: 'client', subject: 'x' }, '/name'],
      ['POST', '/certificates', { name: 'a\u007fb', pem: 'any' }, '/name'],
    ] as const;
    for (const [method, at, payload, path] of cases) {
      const { errors } = problem(await send(method, at, { payload }));
      assert.deepEqual(errors, [{ path, message: 'must be one line without control characters' }], at);
    }
    assert.equal((await send('POST', '/gateways', { payload: { name: 'Größe · 北京 🌍' } })).statusCode, 201);
  });

  it('of a patch may leave out or null any field, but name no other', async () => {
    const { id } = await makeGateway();
    const fine = { description: null, enabled: false };
    const merge = { 'content-type': 'application/merge-patch+json' };
    const patch = (body: object): Promise<LightMyRequestResponse> =>
      send('PATCH', `/gateways/${id}`, { headers: merge, payload: JSON.stringify(body) });
    assert.equal((await patch(fine)).statusCode, 200);
    assert.deepEqual(problem(await patch({ enabld: false })).errors?.[0]?.path, '/enabld');
    assert.deepEqual(problem(await patch({ enabled: 'no' })).errors?.[0]?.path, '/enabled');
    assert.equal(
      (await send('PATCH', `/gateways/${id}`, { payload: [] as unknown as object })).statusCode,
      400,
    );
  });

  it('of a change may be what was read, edited: what is only shown is passed over, and a stale revision refused', async () => {
    const { id } = await makeGateway();
    const at = `/gateways/${id}`;
    const resource = { host: 'db', port: 5432 };
    const made = await send('POST', `${at}/destinations`, { payload: { name: 'orders', resource } });
    const there = `${at}/destinations/${made.json<{ id: string }>().id}`;
    const changed = async (method: 'PATCH' | 'PUT', path: string, edit: object) => {
      const read = (await send('GET', path)).json<object>();
      return send(method, path, { payload: { ...read, ...edit } });
    };
    const fine = [
      await changed('PATCH', at, { description: 'north', connected: true }),
      await changed('PATCH', there, { enabled: false, accessList: null }),
      await changed('PUT', `${at}/access-list`, { rules: [] }),
      await changed('PUT', `${there}/source-rules`, { restricted: true }),
    ];
    assert.deepEqual(
      fine.map(({ statusCode, body }) => (statusCode === 200 ? 200 : body)),
      [200, 200, 200, 200],
    );
    assert.equal((await send('GET', there)).json<{ enabled: boolean }>().enabled, false);
    assert.equal((await changed('PATCH', there, { revision: 1 })).statusCode, 412);
    const other = problem(await changed('PATCH', there, { id: 'other', gatewayId: 'other' }));
    assert.deepEqual(
      other.errors?.map(({ path }) => path),
      ['/id', '/gatewayId'],
    );
  });

  it('of a list of rules may have what is shown of each rule: since when it is there, and by whose key', async () => {
    const { id } = await makeGateway();
    const path = `/gateways/${id}/access-list`;
    const rule = { action: 'allow', host: '10.0.0.5', port: '5432' };
    type List = { revision: number; rules: { createdAt: string; createdBy: { name: string } }[] };
    const put = await send('PUT', path, { payload: { rules: [rule] }, key: testKeys.operator });
    const [shown] = put.json<List>().rules;
    assert.deepEqual(shown, { ...rule, createdAt: shown?.createdAt, createdBy: shown?.createdBy });
    assert.deepEqual([Date.parse(shown.createdAt) > 0, shown.createdBy.name], [true, testKeys.operator]);
    const again = await send('PUT', path, { payload: put.json<List>() });
    assert.deepEqual([again.statusCode, again.json<List>().rules.length], [200, 1]);
    const wrong = await send('PUT', path, { payload: { rules: [{ ...shown, author: 'me' }] } });
    assert.deepEqual(
      problem(wrong).errors?.map((error) => error.path),
      ['/rules/0/author'],
    );
  });

  it('that is no JSON, or has __proto__ in it, is refused', async () => {
    for (const payload of ['{', '', '{"__proto__":{"x":1},"name":"x"}', 'null', '[]']) {
      const answer = await send('POST', '/gateways', {
        headers: { 'content-type': 'application/json' },
        payload,
      });
      assert.equal(answer.statusCode, 400, payload);
      problem(answer);
    }
  });

  it('of another media type is refused with 415', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/merge-patch+json']) {
      const answer = await send('POST', '/gateways', {
        headers: { 'content-type': type },
        payload: '{"name":"x"}',
      });
      assert.equal(answer.statusCode, 415, type);
      assert.equal(problem(answer).code, 'ADMIN_MEDIA_TYPE');
    }
    const files = await send('POST', '/gateways', {
      headers: { 'content-type': 'multipart/form-data; boundary=x' },
      payload: '--x\r\ncontent-disposition: form-data; name="name"\r\n\r\nx\r\n--x--\r\n',
    });
    assert.equal(problem(files).code, 'ADMIN_MEDIA_TYPE');
  });

  it('longer than allowed is refused with 413', async () => {
    const payload = { name: 'x', description: 'y'.repeat(bodyBytesMax) };
    assert.equal(problem(await send('POST', '/gateways', { payload })).code, 'ADMIN_BODY_TOO_LARGE');
  });

  it('may be missing from a POST that says it is JSON, where no field of it must be there', async () => {
    const { id } = await makeGateway();
    const headers = { 'content-type': 'application/json' };
    assert.equal((await send('POST', `/gateways/${id}/tokens`, { headers })).statusCode, 201);
    const missing = problem(await send('POST', '/gateways', { headers }));
    assert.deepEqual(missing.errors, [{ path: '/name', message: 'is required' }]);
  });

  it('may be missing from a DELETE that says it is JSON', async () => {
    const { id } = await makeGateway();
    const headers = { 'content-type': 'application/json' };
    assert.equal((await send('DELETE', `/gateways/${id}`, { headers })).statusCode, 204);
  });
});

describe('a path', () => {
  it('that is unknown is a 404 problem, one with another method a 405 that names the methods', async () => {
    assert.equal(problem(await send('GET', '/nothing')).code, 'ADMIN_PATH_UNKNOWN');
    const answer = await send('PUT', '/gateways', { payload: {} });
    assert.equal(problem(answer).code, 'ADMIN_METHOD_UNKNOWN');
    assert.equal(answer.headers.allow, 'GET, POST');
    assert.equal((await send('PUT', '/gateways/any')).headers.allow, 'GET, PATCH, DELETE');
  });

  it('that cannot be decoded, or is too long, is a problem too', async () => {
    const malformed = await platform.app.inject('/api/v1/gateways/%zz');
    assert.equal(problem(malformed).code, 'ADMIN_REQUEST_MALFORMED');
    assert.equal(problem(await send('GET', `/gateways/${'x'.repeat(101)}`)).status, 400);
  });

  it('with an unknown query parameter is refused by name', async () => {
    const answer = problem(await send('GET', '/gateways?limt=3'));
    assert.deepEqual(answer.errors?.[0]?.path, 'limt');
  });
});

describe('an object', () => {
  it('has an ETag, and a change that expects another one is refused with 412', async () => {
    const { id } = await makeGateway();
    const read = await send('GET', `/gateways/${id}`);
    const tag = String(read.headers.etag);
    const change = (ifMatch: string, description: string): Promise<LightMyRequestResponse> =>
      send('PATCH', `/gateways/${id}`, { headers: { 'if-match': ifMatch }, payload: { description } });
    const first = await change(tag, 'a');
    assert.equal(first.statusCode, 200);
    assert.notEqual(first.headers.etag, tag);
    assert.equal((await change(tag, 'b')).statusCode, 412);
    assert.equal((await change('*', 'c')).statusCode, 200);
    assert.equal((await send('DELETE', `/gateways/${id}`, { headers: { 'if-match': tag } })).statusCode, 412);
    assert.equal(problem(await change('nonsense', 'd')).code, 'ADMIN_HEADER_INVALID');
  });

  it('has a warning where source rules let nobody in', async () => {
    const { id } = await makeGateway();
    const payload = { name: 'db', resource: { host: '10.0.0.5', port: 5432 } };
    const made = await send('POST', `/gateways/${id}/destinations`, { payload });
    const there = `/gateways/${id}/destinations/${made.json<{ id: string }>().id}`;
    const codes = async () =>
      (await send('GET', there)).json<{ warnings: { code: string }[] }>().warnings.map(({ code }) => code);
    assert.deepEqual(await codes(), []);
    await send('PUT', `${there}/source-rules`, { payload: { restricted: true } });
    assert.deepEqual(await codes(), ['ADMIN_SOURCE_RULES_CLOSED']);
    await send('POST', `${there}/source-rules`, { payload: { source: '10.0.0.0/8' } });
    assert.deepEqual(await codes(), []);
  });

  it('is answered when acl, which lets clients in, has taken it over', async () => {
    const { id } = await makeGateway();
    await send('PATCH', `/gateways/${id}`, { payload: { enabled: false } });
    assert.equal(platform.asked.get('acl.gateways.follow'), 1);
    await send('DELETE', `/gateways/${id}`);
    assert.equal(platform.asked.get('acl.gateways.follow'), 2);
  });

  it('says where it was made', async () => {
    const answer = await send('POST', '/gateways', { payload: { name: 'x' } });
    const url = String(answer.headers.location);
    assert.equal(url, `/api/v1/gateways/${answer.json<{ id: string }>().id}`);
  });

  it('shows what the access list says of a destination', async () => {
    const { id } = await makeGateway();
    const make = async (
      host: string,
    ): Promise<{ accessList: { allowed: boolean }; health: { status: string } }> =>
      (
        await send('POST', `/gateways/${id}/destinations`, {
          payload: { name: 'db', resource: { host, port: 1 } },
        })
      ).json();
    assert.equal((await make('10.0.0.5')).accessList.allowed, true);
    const denied = await make('10.0.0.6');
    assert.equal(denied.accessList.allowed, false);
    assert.equal(denied.health.status, 'unknown');
  });

  it('is listed page by page', async () => {
    for (const name of ['a', 'b', 'c']) await makeGateway(name);
    const first = (await send('GET', '/gateways?limit=2')).json<{
      items: { name: string }[];
      nextCursor: string;
    }>();
    const second = (await send('GET', `/gateways?limit=2&cursor=${first.nextCursor}`)).json<typeof first>();
    assert.deepEqual(
      [...first.items, ...second.items].map((gateway) => gateway.name),
      ['a', 'b', 'c'],
    );
    assert.equal(second.nextCursor, null);
  });
});

describe('a repeated POST', () => {
  const once = (key: string, payload: object, extra: Extra = {}): Promise<LightMyRequestResponse> =>
    send('POST', '/gateways', { headers: { 'idempotency-key': key }, payload, ...extra });

  it('with the same Idempotency-Key is answered as the first time, and done once', async () => {
    const [first, second] = [await once('k1', { name: 'a' }), await once('k1', { name: 'a' })];
    assert.equal(second.statusCode, 201);
    assert.equal(second.body, first.body);
    assert.equal(second.headers.etag, first.headers.etag);
    assert.equal(second.headers.location, first.headers.location);
    assert.equal(platform.asked.get('router.gateways.create'), 1);
  });

  it('is done once also where what is shown beside it cannot be had', async () => {
    const { id } = await makeGateway();
    const { bus } = platform;
    const request = bus.request.bind(bus);
    bus.request = (subject, ...rest) =>
      subject === 'router.fronts.list'
        ? Promise.reject(new BusError('BUS_NO_RESPONDER', 'as the test wants'))
        : request(subject, ...rest);
    const payload = { name: 'db', resource: { host: 'h', port: 1 } };
    const post = () =>
      send('POST', `/gateways/${id}/destinations`, { headers: { 'idempotency-key': 'k1' }, payload });
    const [first, second] = [await post(), await post()];
    assert.deepEqual([first.statusCode, second.body], [201, first.body]);
    assert.equal(platform.asked.get('router.destinations.create'), 1);
  });

  it('with the key of another request is refused', async () => {
    await once('k1', { name: 'a' });
    assert.equal(problem(await once('k1', { name: 'b' })).code, 'ADMIN_IDEMPOTENCY_OTHER');
  });

  it('of another caller is another request', async () => {
    await once('k1', { name: 'a' });
    await once('k1', { name: 'b' }, { key: testKeys.operator });
    assert.equal(platform.asked.get('router.gateways.create'), 2);
  });

  it('may be corrected when it was refused', async () => {
    assert.equal((await once('k1', { nme: 'a' })).statusCode, 400);
    assert.equal((await once('k1', { name: 'a' })).statusCode, 201);
  });

  it('is kept under its caller’s key, by which alone its answer is read again, and its path; no other method is', async () => {
    const { mock: kept } = mock.method(IdempotencyKeeper.prototype, 'once');
    const { id } = (await once('k1', { name: 'a' })).json<{ id: string }>();
    await send('PATCH', `/gateways/${id}`, { headers: { 'idempotency-key': 'k2' }, payload: { name: 'b' } });
    kept.restore();
    assert.equal(kept.callCount(), 1);
    assert.partialDeepStrictEqual(kept.calls[0]?.arguments[0], {
      idempotencyKey: 'k1',
      apiKey: testKeys.owner,
      method: 'POST',
      path: '/api/v1/gateways',
      body: { name: 'a' },
    });
  });

  it('needs a key of printable characters', async () => {
    assert.equal(problem(await once('x'.repeat(256), { name: 'a' })).code, 'ADMIN_HEADER_INVALID');
  });
});

describe('an answer', () => {
  it('carries the headers that keep browsers from harm, and allows no other origin', async () => {
    const answer = await send('GET', '/gateways', { headers: { origin: 'https://evil.example' } });
    assert.partialDeepStrictEqual(answer.headers, {
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cross-origin-resource-policy': 'same-origin',
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    });
    assert.equal(answer.headers['access-control-allow-origin'], undefined);
    assert.equal((await send('OPTIONS', '/gateways', { key: null })).statusCode, 405);
  });

  it('is a 503 with Retry-After when an owner is not there', async () => {
    await send('GET', '/gateways');
    platform.silence('router');
    const answer = await send('GET', '/gateways');
    assert.equal(problem(answer).code, 'BUS_NO_RESPONDER');
    assert.equal(answer.headers['retry-after'], '1');
  });

  it('tells health to a key that acl let in before, and nothing else, while acl does not answer', async () => {
    await platform.close();
    platform = await testPlatform({ apiKeyCacheMs: 0 });
    await send('GET', '/gateways');
    platform.silence('acl');
    const asked = await Promise.all(['/health', '/gateways'].map((path) => send('GET', path)));
    assert.deepEqual(
      asked.map(({ statusCode }) => statusCode),
      [200, 503],
    );
  });

  it('says that it knows of no nodes, and not that there are none, where the router does not answer', async () => {
    const nodes = async () => (await send('GET', '/health')).json<{ nodes: unknown }>().nodes;
    assert.deepEqual(await nodes(), { ready: 1, known: 1 });
    platform.silence('router');
    assert.equal(await nodes(), null);
  });

  it('shows nothing that the description of the API does not name', async (t) => {
    const handle = async (): Promise<Answer> => ({
      body: { name: 'x', hash: 'secret', inner: { kept: 1, keyPem: 'secret' } },
    });
    const answer = Type.Object({ name: Type.String(), inner: Type.Object({ kept: Type.Integer() }) });
    const server = await serverWith('/health', { answer, handle });
    t.after(() => server.close());
    const headers = { authorization: `Bearer ${testKeys.viewer}` };
    const { body } = await server.inject({ url: '/api/v1/health', headers });
    assert.deepEqual(JSON.parse(body), { name: 'x', inner: { kept: 1 } });
  });

  it('names in a header the nodes at which a change is not known to be in force, of many the first', async (t) => {
    const nodes = Array.from({ length: 10 }, (_, n) => `edge-${n} é`);
    for (const [notInForceAt, told] of [
      [['*'], '*'],
      [nodes.slice(0, 2), 'edge-0%20%C3%A9, edge-1%20%C3%A9'],
      [nodes, `${nodes.slice(0, 8).map(encodeURI).join(', ')} and 2 more`],
    ] as const) {
      const server = await serverWith('/health', { handle: async () => ({ body: {}, notInForceAt }) });
      t.after(() => server.close());
      const headers = { authorization: `Bearer ${testKeys.viewer}` };
      const answer = await server.inject({ url: '/api/v1/health', headers });
      assert.equal(answer.headers['postern-not-in-force-at'], told);
    }
  });

  it('has a tracking ID that the caller did not choose', async () => {
    const headers = { 'x-request-id': 'chosen', 'x-tracking-id': 'chosen', 'request-id': 'chosen' };
    const answer = await send('GET', '/gateways', { headers });
    assert.match(String(answer.headers['x-tracking-id']), /^[\w-]{16}$/);
  });

  it('tells nothing of an internal error but its tracking ID', async () => {
    const failing = await failingServer();
    const answer = await failing.inject({
      url: '/api/v1/health',
      headers: { authorization: `Bearer ${testKeys.viewer}` },
    });
    const body = problem(answer);
    assert.equal(body.code, 'INTERNAL');
    assert.doesNotMatch(answer.body, /the secret cause/);
    await failing.close();
  });
});

describe('the documentation', () => {
  it('is a page that loads nothing from elsewhere', async () => {
    const page = await platform.app.inject('/api/docs');
    assert.equal(page.statusCode, 200);
    assert.match(String(page.headers['content-security-policy']), /default-src 'self'/);
    const links = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? '');
    assert(links.length > 3);
    for (const link of links) {
      assert(link.startsWith('/api/docs/'), link);
      assert.equal((await platform.app.inject(link)).statusCode, 200, link);
    }
  });
});

describe('the server', () => {
  it('has a place for as many connections of one address as before when those are closed', async () => {
    const port = await listen();
    for (let made = 0; made <= connectionsMax / 2; made += 1) {
      const socket = connect(port, '127.0.0.1');
      const [served] = (await once(platform.app.server, 'connection')) as [Socket];
      socket.destroy();
      await once(served, 'close');
    }
    assert.equal((await fetch(`http://127.0.0.1:${port}/api/v1/openapi.json`)).status, 200);
  });

  it('has bounds: so many connections, and a time for a head, for a whole request and for an answer', () => {
    const { server, initialConfig } = platform.app;
    assert.deepEqual([server.headersTimeout, server.requestTimeout], [10_000, 30_000]);
    assert.equal(server.maxConnections, connectionsMax);
    assert.partialDeepStrictEqual(initialConfig, { handlerTimeout: 30_000 });
  });

  it('does not start with a route that nobody has decided about', async () => {
    await assert.rejects(serverWith('/unheard-of'), /in the table of permissions/);
  });
});

function failingServer(): ReturnType<typeof createServer> {
  return serverWith('/health');
}

async function serverWith(
  path: string,
  {
    answer = Type.Object({}),
    handle = () => Promise.reject(new Error('the secret cause')),
  }: Partial<Pick<Parameters<typeof endpoint>[0], 'answer' | 'handle'>> = {},
): ReturnType<typeof createServer> {
  const onError = (): void => undefined;
  return createServer({
    endpoints: [
      endpoint({
        method: 'GET',
        path,
        operationId: 'x',
        tag: 'x',
        summary: 'x',
        status: 200,
        answer,
        handle,
      }),
    ],
    authenticator: new Authenticator({ bus: platform.bus, entriesMax: 1, lifeMs: 1, onError }),
    idempotency: await IdempotencyKeeper.open({ store: platform.store, recordsMax: 1, lifeMs: 1, onError }),
    metrics: adminMetrics(new Metrics()),
    logger: silentLogger,
    version: '0.0.0',
  });
}
