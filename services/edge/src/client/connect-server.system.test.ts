import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpsRequest } from 'node:https';
import {
  type ClientRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request as httpRequest,
} from 'node:http';
import { connect as connectTcp } from 'node:net';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import type { NodeHello } from '@postern/contracts';
import { webSocketCarrier, webSocketMessageBytesMax } from '@postern/tunnel';
import { WebSocket } from 'ws';
import { TestClient } from '../fixture/client.ts';
import { type World, ended, exchange, until, untilMetric, withWorld } from '../fixture/node.ts';
import { portErrors } from '../fixture/port-error.ts';
import { rightToken } from '../fixture/platform.ts';

interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  body: Record<string, unknown>;
}

const publicKey = { kty: 'OKP', crv: 'Ed25519', x: 'A'.repeat(43) };
const goodCall = {
  gatewayId: 'g1',
  bootId: 'boot-one',
  publicKey,
  facts: { name: 'c', version: '1', platform: 'test' },
};

/** The head of a first call, of which the body is the test's to send. */
function beginCall(
  world: World,
  change: { path?: string; method?: string; headers?: OutgoingHttpHeaders } = {},
): ClientRequest {
  return httpsRequest({
    host: '127.0.0.1',
    servername: 'localhost',
    port: world.edge.ports.connect,
    path: '/v1/connect',
    method: 'POST',
    ca: world.platform.caPem,
    agent: false,
    ...change,
  });
}

function call(
  world: World,
  body: unknown,
  change: { token?: string; path?: string; method?: string } = {},
): Promise<Answer> {
  const { token = rightToken, path = '/v1/connect', method = 'POST' } = change;
  return new Promise((resolve, reject) => {
    const headers: OutgoingHttpHeaders = token === '' ? {} : { authorization: `Bearer ${token}` };
    const request = beginCall(world, { path, method, headers });
    request.on('response', (response) => void readAnswer(response).then(resolve, reject));
    request.on('error', reject);
    request.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
}

async function readAnswer(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  const body = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>;
  return { status: response.statusCode ?? 0, headers: response.headers, body };
}

test('a first call is answered with tickets and nodes', async () => {
  await withWorld(async (world) => {
    const { status, body } = await call(world, goodCall);
    assert.equal(status, 200);
    assert.equal(typeof body['ticket'], 'string');
    const { tunnel: port } = world.edge.ports;
    assert.deepEqual(body['nodes'], [
      { node: 'edge-1', zone: '', host: 'localhost', port, serverName: 'edge-1.tunnel.localhost' },
    ]);
  });
});

test('each fault of a first call has a status and a code', async () => {
  await withWorld(async (world) => {
    const codes: unknown[] = [];
    const collect = async (answer: Promise<Answer>) => {
      const { status, headers, body } = await answer;
      assert.equal(headers['content-type'], 'application/problem+json');
      assert.equal(body['status'], status);
      assert.equal(typeof body['trackingId'], 'string');
      codes.push(`${status} ${String(body['code'])}`);
    };
    await collect(call(world, { ...goodCall, gatewayId: 'g2' }));
    await collect(call(world, goodCall, { token: '' }));
    await collect(call(world, 'no json'));
    await collect(call(world, { gatewayId: 'g1' }));
    await collect(call(world, 'x'.repeat(20_000)));
    await collect(call(world, '', { path: '/' }));
    await collect(call(world, '', { method: 'PUT' }));
    assert.deepEqual(codes, [
      '403 ACL_GATEWAY_UNKNOWN',
      '401 ACL_TOKEN_MISSING',
      '400 EDGE_CALL_MALFORMED',
      '400 EDGE_CALL_MALFORMED',
      '413 EDGE_CALL_TOO_LONG',
      '404 EDGE_CALL_NOT_FOUND',
      '405 EDGE_CALL_METHOD',
    ]);
  });
});

test('a body that is longer than it may be is refused also where it does not say how long it is', async () => {
  await withWorld(async (world) => {
    const request = beginCall(world);
    // The node may close while the rest is on its way.
    request.on('error', () => {});
    const answered = once(request, 'response') as Promise<[IncomingMessage]>;
    request.write(' '.repeat(20_000));
    const { status, body } = await readAnswer((await answered)[0]);
    assert.deepEqual([status, body['code']], [413, 'EDGE_CALL_TOO_LONG']);
    assert.equal((await call(world, goodCall)).status, 200);
  });
});

test('while acl is away a first call is told to come back', async () => {
  await withWorld(async (world) => {
    await world.platform.stop();
    const { status, headers, body } = await call(world, goodCall);
    assert.equal(status, 503);
    assert.equal(body['code'], 'EDGE_CALL_UNAVAILABLE');
    assert.equal(headers['retry-after'], '2');
  });
});

test('a connection that the system cannot accept is logged, and the connect port goes on', async (t) => {
  const { logger, lines, fail } = portErrors(t);
  await withWorld(
    async (world) => {
      fail(world.edge.ports.connect, 'accept ENFILE');
      assert.equal(lines.filter((line) => line.includes('accept ENFILE')).length, 1);
      assert.equal((await call(world, goodCall)).status, 200);
    },
    { logger },
  );
});

test('an address that calls too often is told to wait', async () => {
  await withWorld(
    async (world) => {
      assert.equal((await call(world, goodCall)).status, 200);
      const { status, body } = await call(world, goodCall);
      assert.equal(status, 429);
      assert.equal(body['code'], 'EDGE_CALL_RATE');
    },
    { options: { connectCallsPerMinute: 1 } },
  );
});

test('plain HTTP is told that this is HTTPS', async () => {
  await withWorld(async (world) => {
    const answer = await new Promise<Answer>((resolve, reject) => {
      const request = httpRequest({ host: '127.0.0.1', port: world.edge.ports.connect, agent: false });
      request.on('response', (response) => void readAnswer(response).then(resolve, reject));
      request.on('error', reject);
      request.end();
    });
    assert.equal(answer.status, 400);
    assert.equal(answer.body['code'], 'EDGE_CALL_PLAIN_HTTP');
  });
});

test('garbage, silence and half a request leave nothing behind', async () => {
  await withWorld(
    async (world) => {
      const { connect } = world.edge.ports;
      const garbage = connectTcp(connect, '127.0.0.1');
      garbage.end(Buffer.alloc(10_000, 0xff));
      const silent = connectTcp(connect, '127.0.0.1');
      const half = connectTcp(connect, '127.0.0.1');
      half.write(Buffer.from([22, 3, 1, 0, 200]));
      await Promise.all([garbage, silent, half].map((socket) => ended(socket)));
      await untilMetric(world, /postern_edge_handshakes\{port="connect"\} 0/);
    },
    { options: { handshakeTimeoutMs: 200 } },
  );
});

test('a client that goes in the middle of its call is no fault of the node', async () => {
  await withWorld(async (world) => {
    const request = beginCall(world, { headers: { 'content-length': '100' } });
    request.on('error', () => {});
    request.write('{', () => request.destroy());
    await untilMetric(world, /postern_edge_first_calls_total\{code="EDGE_CALL_MALFORMED"\} 1/);
  });
});

test('the tunnel protocol runs over a WebSocket on the connect port', async () => {
  await withWorld(async (world) => {
    const client = new TestClient(world.platform);
    const ticket = await world.platform.ticket(client.key.x);
    const { connect } = world.edge.ports;
    const socket = new WebSocket(`wss://127.0.0.1:${connect}/v1/tunnel`, { ca: world.platform.caPem });
    await new Promise((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    let bootId = '';
    await client.endpoint.connect(webSocketCarrier(socket, `127.0.0.1:${connect}`), {
      answer: async (hello) => {
        ({ bootId } = hello as NodeHello);
        return client.hello(hello as NodeHello, ticket);
      },
      welcome: () => ({ scope: 'g1', id: 'edge-1', bootId: bootId }),
    });
    assert.equal(await exchange(world.call(), 'over 443'), 'over 443');
    await untilMetric(world, /postern_edge_tunnels\{transport="websocket"\} 1/);
    await untilMetric(world, /postern_edge_handshakes\{port="connect"\} 0/);
    client.close();
    await until(() => (world.edge.status() as { tunnels: { count: number } }).tunnels.count === 0);
  });
});

test('a WebSocket message that comes a byte at a time ends its connection, and costs no more than a long one', async () => {
  await withWorld(async (world) => {
    const { connect: port } = world.edge.ports;
    const ca = world.platform.caPem;
    const socket = connectTls({ port, host: '127.0.0.1', servername: 'localhost', ca });
    socket.setNoDelay();
    const isOver = ended(socket);
    await once(socket, 'secureConnect');
    const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n';
    socket.write(
      `GET /v1/tunnel HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n${key}\r\n`,
    );
    const header = Buffer.alloc(14);
    header.set([0x82, 0x80 | 127]);
    header.writeBigUInt64BE(BigInt(webSocketMessageBytesMax), 2);
    socket.write(header);
    let sent = 0;
    for (; !socket.destroyed && sent < 20_000; sent += 1)
      await new Promise<void>((resolve) => {
        socket.write('a', () => resolve());
      });
    await isOver;
    assert.ok(sent < 20_000, 'it was ended before the message was whole, or its time was over');
  });
});
