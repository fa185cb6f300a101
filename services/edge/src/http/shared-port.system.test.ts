// The port that plain HTTP fronts share: whose a request is, is said by its Host, and each request is judged anew.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type HttpWorld, type ResourceSocket, withHttp } from '../fixture/http-world.ts';
import { frontOf, policyOf, resourceOf, routeOf } from '../fixture/documents.ts';
import { until } from '../fixture/node.ts';

type Change = Parameters<typeof routeOf>[0];

const resourceHosts: Readonly<Record<string, string>> = { exact: '127.0.0.1', wild: 'localhost' };

/** Names a destination on the shared port, as its callers see it: port 80. */
function setNamed(world: HttpWorld, id: string, host: string, change: Change = {}): void {
  world.platform.setRoute(
    routeOf({
      id,
      name: id,
      shared: true,
      // One resource under two names; the one that it is sent tells which destination it was.
      resource: resourceOf({ host: resourceHosts[id] ?? '', port: world.resourcePort, protocol: 'http' }),
      front: frontOf({ protocol: 'http', host, port: 80 }),
      ...change,
    }),
  );
}

async function inWorld(work: (world: HttpWorld) => Promise<void>): Promise<void> {
  await withHttp(
    async (world) => {
      setNamed(world, 'exact', 'a.example');
      setNamed(world, 'wild', '*.example');
      await until(() => status(world).includes('"exact"') && status(world).includes('"wild"'));
      await work(world);
    },
    { respond: answerWithHost },
  );
}

function status({ edge }: HttpWorld): string {
  return JSON.stringify(edge.status());
}

/** Answers each request with the Host and the port that it was sent with. */
function answerWithHost(end: ResourceSocket): void {
  end.socket.on('data', () => {
    for (let at = end.received.indexOf('\r\n\r\n'); at >= 0; at = end.received.indexOf('\r\n\r\n')) {
      const head = end.received.slice(0, at);
      const rest = end.received.slice(at + 4);
      const body = `${/^Host: (\S+)/m.exec(head)?.[1]} ${/^X-Forwarded-Port: (\d+)/m.exec(head)?.[1]}`;
      end.answer(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      end.received = rest;
    }
  });
}

async function ask(world: HttpWorld, request: string): Promise<string> {
  const socket = world.call(world.edge.ports.http);
  let received = '';
  socket.setEncoding('latin1').on('data', (text: string) => (received += text));
  socket.end(request, 'latin1');
  await until(() => socket.readableEnded || socket.closed);
  return received;
}

const close = 'Connection: close\r\n\r\n';

test('the destination is that of the Host, in any case, with or without port and last dot; exact before wildcard', () =>
  inWorld(async (world) => {
    for (const [host = '', id = ''] of [
      ['a.example', 'exact'],
      ['A.Example', 'exact'],
      ['a.example:80', 'exact'],
      ['a.example.', 'exact'],
      ['b.example', 'wild'],
    ]) {
      const answer = await ask(world, `GET / HTTP/1.1\r\nHost: ${host}\r\n${close}`);
      assert.ok(answer.endsWith(`${resourceHosts[id]}:${world.resourcePort} 80`), `${host}: ${answer}`);
    }
    const absolute = `GET http://b.example/x HTTP/1.1\r\nHost: b.example\r\n${close}`;
    assert.match(await ask(world, absolute), /localhost:\d+ 80$/);
    const old = 'GET http://a.example/ HTTP/1.0\r\n\r\n';
    assert.match(await ask(world, old), /127\.0\.0\.1:\d+ 80$/);
  }));

test('requests of one connection go to whom each of them names', () =>
  inWorld(async (world) => {
    const answer = await ask(
      world,
      `GET / HTTP/1.1\r\nHost: a.example\r\n\r\nGET / HTTP/1.1\r\nHost: b.example\r\n\r\nGET / HTTP/1.1\r\nHost: a.example\r\n${close}`,
    );
    assert.deepEqual(answer.match(/(?:127\.0\.0\.1|localhost)(?=:\d+ 80)/g), [
      '127.0.0.1',
      'localhost',
      '127.0.0.1',
    ]);
  }));

test('a name that is nobody’s, and a request without one, get the platform’s answer', () =>
  inWorld(async (world) => {
    for (const request of [
      `GET / HTTP/1.1\r\nHost: nobody.invalid\r\n${close}`,
      `GET / HTTP/1.1\r\nHost: x.a.example\r\n${close}`,
      `GET / HTTP/1.1\r\nHost: example\r\n${close}`,
      `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n${close}`,
      `GET / HTTP/1.1\r\nHost: [::1]:80\r\n${close}`,
      'GET / HTTP/1.0\r\n\r\n',
    ]) {
      const answer = await ask(world, request);
      assert.match(answer, /^HTTP\/1\.[01] 404 Not Found\r\n/, request);
      assert.match(answer, /"code":"EDGE_HTTP_NAME_UNKNOWN".*"trackingId":"[-0-9a-f]{36}\.1"/);
    }
    assert.match(status(world), /"EDGE_HTTP_NAME_UNKNOWN":6/);
  }));

test('two names in one request are refused, whichever is served', () =>
  inWorld(async (world) => {
    for (const request of [
      `GET http://a.example/ HTTP/1.1\r\nHost: b.example\r\n${close}`,
      `GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n${close}`,
      `GET / HTTP/1.1\r\nHost: a.example, b.example\r\n${close}`,
      `GET / HTTP/1.1\r\nHost: a.example@b.example\r\n${close}`,
      `GET / HTTP/1.1\r\n${close}`,
    ]) {
      const answer = await ask(world, request);
      assert.match(answer, /^HTTP\/1\.1 400 /, request);
      assert.match(answer, /HTTP_MALFORMED/);
    }
    assert.equal(world.resource.length, 0);
  }));

test('a name that is taken from a destination, given to another, or disabled is so for the next request of an open connection', () =>
  inWorld(async (world) => {
    const socket = world.call(world.edge.ports.http);
    let received = '';
    socket.setEncoding('latin1').on('data', (text: string) => (received += text));
    const status = () => JSON.stringify(world.edge.status());
    const next = async (host: string): Promise<string> => {
      received = '';
      socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      await until(() => /\r\n\r\n./s.test(received) || socket.readableEnded);
      return received;
    };
    assert.match(await next('a.example'), /127\.0\.0\.1:\d+ 80$/);
    setNamed(world, 'exact', 'c.other');
    while (!/localhost:\d+ 80$/.test(await next('a.example')));
    assert.match(await next('c.other'), /127\.0\.0\.1:\d+ 80$/);
    setNamed(world, 'exact', 'c.other', { enabled: false });
    await until(() => /"exact","port":80,"enabled":false/.test(status()));
    assert.match(await next('c.other'), /503 [^]*EDGE_DESTINATION_DISABLED/);
  }));

test('source rules are those of the destination that a request names', () =>
  inWorld(async (world) => {
    world.platform.setPolicy(
      policyOf({
        sourceRules: [{ destinationId: 'exact', restricted: true, rules: [{ source: '192.0.2.1' }] }],
      }),
    );
    const to = (host: string) => ask(world, `GET / HTTP/1.1\r\nHost: ${host}\r\n${close}`);
    while (!/403 [^]*EDGE_SOURCE_DENIED/.test(await to('a.example')));
    assert.match(await to('b.example'), /localhost:\d+ 80$/);
  }));

test('who says nothing on the shared port goes after the time for a head', () =>
  withHttp(
    async (world) => {
      const silent = world.call(world.edge.ports.http);
      silent.resume();
      await until(() => silent.closed || silent.readableEnded);
    },
    { options: { httpHeadTimeoutMs: 100 } },
  ));
