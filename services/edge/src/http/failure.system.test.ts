import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, catchUpAtNode } from '@postern/contracts';
import { ResetCode, TunnelError } from '@postern/tunnel';
import { TestClient } from '../fixture/client.ts';
import { frontOf, policyOf, resourceOf } from '../fixture/documents.ts';
import { until } from '../fixture/node.ts';
import { type HttpWorld, answered, get, ok, withHttp } from '../fixture/http-world.ts';

async function refusal(
  world: HttpWorld,
  request = get,
): Promise<{ status: number; body: Record<string, unknown>; answer: string }> {
  const caller = world.caller().send(request);
  const answer = await caller.got('trackingId');
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  return { status: Number(head.slice(9, 12)), body: JSON.parse(body) as Record<string, unknown>, answer };
}

/** The policy of `g1`, changed and known to the node. */
async function setRules(
  world: HttpWorld,
  accessList: ReturnType<typeof policyOf>['accessList'],
  revision: number,
): Promise<void> {
  world.platform.setPolicy(policyOf({ accessListRevision: revision, accessList }));
  await until(() =>
    world.client.controls.some((one) => (one as { revision?: number }).revision === revision),
  );
}

test('a request that comes while the only client is away for a moment is sent once when it is back, with its whole body', () =>
  withHttp(async (world) => {
    const [tunnel] = world.client.endpoint.sessions;
    tunnel?.destroy(new TunnelError('TUNNEL_CLOSED', 'cut by the test'));
    await until(() => JSON.stringify(world.edge.status()).includes('"tunnels":{"count":0'));
    const body = 'b'.repeat(300_000);
    const head = `POST /late HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`;
    const callers = [
      world.caller().send(head + body),
      world.caller().send(get),
      world.caller().send(get),
    ] as const;
    const opening = () => (world.edge.status() as { callers: { opening: number } }).callers.opening;
    await until(() => opening() === 3);
    callers[2].socket.resetAndDestroy();
    await until(() => opening() === 2);
    await world.client.connect(world.edge.ports.tunnel);
    await until(() => world.resource.length === 2);
    const [posted, got] = await Promise.all(
      world.resource.map(async (one) => {
        await one.got('\r\n\r\n');
        return one;
      }),
    ).then((all) => all.toSorted((a) => (a.received.startsWith('POST') ? -1 : 1)));
    await until(() => posted?.received.endsWith('b') === true && posted.received.length > body.length);
    assert.equal(posted?.received.split('\r\n\r\n')[1], body);
    for (const one of [posted, got]) one?.answer(ok);
    for (const caller of callers.slice(0, 2)) assert.match(await caller.got('ok'), /^HTTP\/1\.1 200 /);
    assert.equal(world.resource.length, 2);
  }));

test('without a client for longer it is 503, with a page for browsers and a problem for others', () =>
  withHttp(async (world) => {
    world.client.close();
    await until(() => JSON.stringify(world.edge.status()).includes('"tunnels":{"count":0'));
    const { status, body, answer } = await refusal(world);
    assert.deepEqual([status, body['code'], body['status']], [503, 'EDGE_NO_CLIENT', 503]);
    assert.match(answer, new RegExp(`\r\nPostern-Tracking-Id: ${String(body['trackingId'])}\r\n`));
    const browser = world
      .caller()
      .send('GET /?<script> HTTP/1.1\r\nHost: a\r\nAccept: text/html,*/*;q=0.8\r\n\r\n');
    const page = await browser.got('</html>');
    assert.match(page, /Content-Type: text\/html; charset=utf-8\r\n/);
    assert.match(page, /EDGE_NO_CLIENT/);
    const head = world.caller().send('HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    assert.match(await head.ended(), /^HTTP\/1\.1 503 .*\r\n\r\n$/s);
  }));

test('a connection is kept after a refusal, unless a body follows that nobody reads', () =>
  withHttp(async (world) => {
    await setRules(world, [{ action: 'allow', host: '*', port: '*', path: '/a' }], 2);
    const caller = world.caller().send(get).send('GET /a HTTP/1.1\r\nHost: a\r\n\r\n');
    const end = await world.connection();
    await end.got('GET /a ');
    end.answer(ok);
    const answer = await caller.got('ok');
    assert.match(answer, /^HTTP\/1\.1 403 .*HTTP\/1\.1 200 OK/s);
    const other = world
      .caller()
      .send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${get.length}\r\n\r\n${get}`);
    assert.equal((await other.ended()).match(/HTTP\/1\.1 /g)?.length, 1);
  }));

test('each request is judged by its path and names the rule that denies it', () =>
  withHttp(async (world) => {
    const rules = [
      { action: 'allow', host: '*', port: '*', path: '/pub' },
      { action: 'deny', host: '*', port: '*', path: '/pub/secret' },
    ] as const;
    await setRules(world, [...rules], 2);
    const { status, body } = await refusal(world, 'GET /pub/%73ecret HTTP/1.1\r\nHost: a\r\n\r\n');
    assert.deepEqual(
      [status, body['code'], body['rule']],
      [403, 'EDGE_ACCESS_DENIED', '1: deny *:*/pub/secret'],
    );
    const climbed = await refusal(world, 'GET /pub/../x HTTP/1.1\r\nHost: a\r\n\r\n');
    assert.equal(climbed.status, 403);
    assert.match(String(climbed.body['detail']), /no rule allows/);
  }));

test('what one request of a connection was allowed another is not, where any rule has a path', () =>
  withHttp(async (world) => {
    const rules = [
      { action: 'allow', host: '*', port: '*' },
      { action: 'deny', host: '*', port: '*', path: '/secret' },
    ] as const;
    await setRules(world, [...rules], 2);
    const caller = world.caller().send('GET /pub HTTP/1.1\r\nHost: a\r\n\r\n');
    const end = await world.connection();
    await end.got('GET /pub');
    end.answer(ok);
    await caller.got('ok');
    caller.send('GET /secret HTTP/1.1\r\nHost: a\r\n\r\n');
    assert.match(await caller.got('EDGE_ACCESS_DENIED'), /HTTP\/1\.1 403 /);
    assert.doesNotMatch(end.received, /secret/);
  }));

test('where a request writes to besides, as WebDAV has it, is judged by its path as well', () =>
  withHttp(async (world) => {
    const rules = [
      { action: 'allow', host: '*', port: '*', path: '/pub' },
      { action: 'deny', host: '*', port: '*', path: '/pub/secret' },
    ] as const;
    await setRules(world, [...rules], 2);
    const copy = (to: string): string =>
      `COPY /pub/a HTTP/1.1\r\nHost: shop.example\r\nDestination: ${to}\r\n\r\n`;
    for (const to of [
      'http://shop.example/pub/secret',
      `http://127.0.0.1:${world.resourcePort}/pub/secret`,
      '/pub/x/../%73ecret',
      '/other',
      '//shop.example/pub/b',
      'pub/b',
      '/pub/b#/../../other',
    ]) {
      const { status, body } = await refusal(world, copy(to));
      assert.deepEqual([status, body['code']], [403, 'EDGE_ACCESS_DENIED'], to);
    }
    world.caller().send(copy('http://shop.example/pub/./b'));
    const end = await world.connection();
    const head = await end.got('\r\n\r\n');
    assert.match(
      head,
      new RegExp(`\\r\\nDestination: http://127\\.0\\.0\\.1:${world.resourcePort}/pub/b\\r\\n`),
    );
  }));

test('a rule that changes under a request ends it: before its answer with a page, in the middle by a reset', () =>
  withHttp(async (world) => {
    const [waits, runs] = [world.caller().send(get), world.caller().send(get)];
    const ends = [await world.connection(0), await world.connection(1)];
    await Promise.all(ends.map((end) => end.got('GET')));
    ends[1]?.answer('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun');
    await until(() => waits.received.includes('begun') || runs.received.includes('begun'));
    world.platform.setPolicy(policyOf({ accessListRevision: 2, accessList: [] }));
    const answers = await Promise.all(
      [waits.ended(), runs.ended()].map(async (one) =>
        Promise.race([one, until(() => waits.received.includes('403') && waits.received)]),
      ),
    );
    assert.ok(
      answers.some((answer) => answer.startsWith('HTTP/1.1 403')) || runs.received.startsWith('HTTP/1.1 403'),
    );
    await until(() => ends.every((end) => end.socket.destroyed || end.ended));
  }));

test('a connection whose caller was not asked for the certificate that is wanted now is served no more', () =>
  withHttp(async (world) => {
    const { caller } = await answered(world);
    const tls = { ...frontOf().tls, mode: 'mutual' as const, clientCaIds: ['ca'] };
    world.setRoute({ front: frontOf({ protocol: 'http', port: world.frontPort, tls }) });
    await ask(world.platform.bus, catchUpAtNode, {}, { suffix: 'edge-1' });
    caller.send(get);
    assert.match(await caller.got('EDGE_HTTP_MISDIRECTED'), /HTTP\/1.1 421 /);
  }));

for (const relayed of [false, true]) {
  const where = relayed ? ', told at another node' : '';
  test(`what runs ends also when the list of the client itself comes to deny its path${where}`, () =>
    withHttp(
      async ({ caller, connection, client }) => {
        const one = caller().send(
          'GET /secret HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
        );
        const end = await connection();
        await end.got('/secret');
        end.answer(
          'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfirst',
        );
        await one.got('first');
        const rules = [
          { action: 'deny', host: '*', port: '*', path: '/secret' },
          { action: 'allow', host: '*', port: '*' },
        ];
        for (const session of client.endpoint.sessions) session.sendControl({ kind: 'ownRules', rules });
        await until(() => one.closed);
        await until(() => end.socket.destroyed || end.ended);
      },
      { relayed },
    ));
}

test('a kept connection is not used for a resource that is another now, nor kept when the gateway is disabled', () =>
  withHttp(async (world) => {
    await answered(world);
    world.setRoute({
      resource: resourceOf({
        host: '127.0.0.1',
        port: world.resourcePort,
        protocol: 'http',
        idleTimeoutSeconds: 9,
      }),
    });
    await ask(world.platform.bus, catchUpAtNode, {}, { suffix: 'edge-1' });
    const { end: second } = await answered(world, { index: 1 });
    world.platform.setPolicy(policyOf({ enabled: false }));
    await until(() => second.ended || second.socket.destroyed);
  }));

const cuts: [
  what: string,
  act: (end: Awaited<ReturnType<HttpWorld['connection']>>) => void,
  code: string,
  status: number,
][] = [
  ['closes without an answer', (end) => end.socket.end(), 'EDGE_HTTP_ANSWER_CUT', 502],
  ['resets its connection', (end) => end.socket.resetAndDestroy(), 'EDGE_RESOURCE_RESET', 502],
  [
    'answers something else',
    (end) => end.answer('SSH-2.0-OpenSSH\r\n\r\n'),
    'EDGE_HTTP_ANSWER_MALFORMED',
    502,
  ],
  [
    'answers with two lengths',
    (end) => end.answer('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n'),
    'EDGE_HTTP_ANSWER_MALFORMED',
    502,
  ],
  [
    'changes the protocol unasked',
    (end) => end.answer('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n'),
    'EDGE_HTTP_ANSWER_MALFORMED',
    502,
  ],
  [
    'sends a head that never ends',
    (end) => end.answer(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(20_000)}`),
    'EDGE_HTTP_ANSWER_MALFORMED',
    502,
  ],
];
for (const [what, act, code, status] of cuts) {
  test(`a resource that ${what} is a ${status} with ${code}, and the request is not sent again`, () =>
    withHttp(async (world) => {
      const asked = refusal(world);
      const end = await world.connection();
      await end.got('GET');
      act(end);
      const answer = await asked;
      assert.deepEqual([answer.status, answer.body['code']], [status, code]);
      assert.equal(world.resource.length, 1);
    }));
}

test('an answer that breaks off is never completed by the edge', () =>
  withHttp(async (world) => {
    for (const [index, head] of ['Content-Length: 100', 'Transfer-Encoding: chunked'].entries()) {
      const caller = world.caller().send(get);
      const end = await world.connection(index);
      await end.got('GET');
      end.answer(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n5\r\nhello\r\n`);
      await caller.got('hello');
      end.socket.end();
      await caller.ended();
      caller.socket.destroy();
      assert.doesNotMatch(caller.received, /0\r\n\r\n$/);
    }
  }));

test('a resource that says nothing in time is a 504', () =>
  withHttp(
    async (world) => {
      const { status, body } = await refusal(world);
      assert.deepEqual([status, body['code']], [504, 'EDGE_HTTP_ANSWER_LATE']);
    },
    { options: { httpAnswerTimeoutMs: 100 } },
  ));

for (const greeting of ['SSH-2.0-OpenSSH_9.6\r\n', '220 mail ready\r\n', 'H', '\x4a\0\0\0\x0a8.0'])
  test(`a service that speaks first, and no HTTP, is told at once: ${JSON.stringify(greeting)}`, () =>
    withHttp(
      async (world) => {
        const { status, body } = await refusal(world);
        assert.deepEqual([status, body['code']], [502, 'EDGE_HTTP_ANSWER_MALFORMED']);
        assert.match(String(body['detail']), /does another protocol answer on this port\?/);
      },
      { respond: ({ socket }) => socket.write(greeting === 'H' ? 'HELO' : greeting, 'latin1') },
    ));

test('a client is told for how long its callers wait where the destination does not say', () =>
  withHttp(async (world) => {
    const { resourcePort: port } = world;
    const resource = resourceOf({ host: '127.0.0.1', port, protocol: 'http', connectTimeoutSeconds: 0 });
    world.setRoute({ resource });
    await ask(world.platform.bus, catchUpAtNode, {}, { suffix: 'edge-1' });
    world.caller().send(get);
    await (await world.connection()).got('GET');
    assert.equal(world.client.streams[0]?.connectTimeoutSeconds, 180);
  }));

test('a caller that is slow with its head, or with its body, is a 408', () =>
  withHttp(
    async (world) => {
      const head = world.caller().send('GET / HTTP/1.1\r\nHost');
      const body = world.caller().send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe');
      assert.match(await head.ended(), /^HTTP\/1\.1 408 .*EDGE_HTTP_HEAD_SLOW/s);
      assert.match(await body.ended(), /^HTTP\/1\.1 408 .*EDGE_HTTP_BODY_SLOW/s);
      const silent = world.caller();
      assert.equal(await silent.ended(), '');
    },
    { options: { httpHeadTimeoutMs: 100, httpBodyTimeoutMs: 100 } },
  ));

test('bytes behind an answer are nobody’s: the connection is not used again', () =>
  withHttp(async (world) => {
    await answered(world, { answer: `${ok}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison` });
    const other = await answered(world, { index: 1 });
    assert.doesNotMatch(other.caller.received, /poison/);
  }));

test('a connection on which a caller authenticated itself is no other’s', () =>
  withHttp(async (world) => {
    const asked = 'GET / HTTP/1.1\r\nHost: a\r\nAuthorization: NTLM TlRMTVNTUAAB\r\n\r\n';
    const own = world.caller().send(asked);
    const end = await world.connection(0);
    await end.got('NTLM');
    end.answer(ok);
    await own.got('ok');
    await answered(world, { index: 1 });
  }));

test('bytes that come while a connection is kept end it', () =>
  withHttp(async (world) => {
    const { end } = await answered(world);
    end.answer('HTTP/1.1 408 Request Timeout\r\nContent-Length: 6\r\n\r\npoison');
    await until(() => end.socket.destroyed || end.ended);
    const other = await answered(world, { index: 1 });
    assert.doesNotMatch(other.caller.received, /poison/);
  }));

test('a client that says that nothing was reached leads to the next one, with the same body', () =>
  withHttp(async (world) => {
    const refusing = new TestClient(world.platform, {
      onStream: (stream) => stream.reset(ResetCode.Refused, 'the resource is not there'),
    });
    await refusing.connect(world.edge.ports.tunnel);
    for (let index = 0; index < 8; index += 1) {
      const caller = world.caller().send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello');
      const end = await until(() => world.resource.find((one) => one.received !== ''));
      assert.match(await end.got('hello'), /^POST .*\r\n\r\nhello$/s);
      end.answer(ok);
      await caller.got('ok');
    }
    refusing.close();
  }));

test('more connections than the bound are not kept', () =>
  withHttp(
    async (world) => {
      const callers = [1, 2, 3, 4].map(() => world.caller().send(get));
      const ends = await Promise.all([0, 1, 2, 3].map((index) => world.connection(index)));
      await Promise.all(ends.map((end) => end.got('GET')));
      for (const end of ends) end.answer(ok);
      await Promise.all(callers.map((caller) => caller.got('ok')));
      await until(() => ends.filter((end) => end.ended).length === 2);
    },
    { options: { httpResourceKeptMax: 2 } },
  ));

test('a node that stops answers what is under way, and closes what is idle', () =>
  withHttp(async (world) => {
    const { caller: idle, end: first } = await answered(world);
    const busy = world.caller().send(get);
    await first.got('GET');
    const stopped = world.edge.stop();
    await idle.ended();
    first.answer(ok);
    assert.match(await busy.ended(), /\r\nConnection: close\r\n.*ok$/s);
    await stopped;
  }));
