import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type Socket, createServer } from 'node:net';
import { test } from 'node:test';
import {
  type ConnectionOptions,
  type TLSSocket,
  connect as connectTls,
  createServer as createTlsServer,
} from 'node:tls';
import type { FrontRoute } from '@postern/contracts';
import { createAuthority, createSigningRequest, generateKey, loadAuthority } from '@postern/tls';
import { freePort } from '@postern/test-kit';
import type { EdgeOptions } from '../config.ts';
import { TestClient } from '../fixture/client.ts';
import { frontOf, policyOf } from '../fixture/documents.ts';
import { type World, echoRoute, ended, exchange, until, untilMetric, withWorld } from '../fixture/node.ts';
import { rightToken } from '../fixture/platform.ts';
import { readProxyHeader, writeProxyHeader1, writeProxyHeader2 } from '../gate/proxy-header.ts';

const noTls = frontOf().tls;
const passthrough = { ...noTls, mode: 'passthrough' as const };
const ended1 = { ...noTls, mode: 'server' as const };

/** `d1` with another front, on the shared port by this name. */
function named(world: World, host: string, change: Partial<FrontRoute['front']> = {}, id = 'd9'): FrontRoute {
  const front = frontOf({ host, port: 443, tls: ended1, ...change });
  return echoRoute(0, world.echo.port, { id, shared: true, front });
}

/** A world whose platform has a host of its own. */
function inWorld(
  work: (world: World) => Promise<void>,
  { options = {} }: { options?: Partial<EdgeOptions> } = {},
): Promise<void> {
  return withWorld(work, { options: { platformHost: 'gw.example', ...options } });
}

async function withClient(world: World, work: () => Promise<void>): Promise<void> {
  const client = new TestClient(world.platform);
  await client.connect(world.edge.ports.tunnel);
  await work();
  client.close();
}

function callTls(world: World, servername: string | undefined, options: ConnectionOptions = {}): TLSSocket {
  const { connect: port } = world.edge.ports;
  const name = servername === undefined ? {} : { servername };
  return connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false, ...name, ...options });
}

async function untilServed(world: World, id = 'd9'): Promise<void> {
  await until(() =>
    (
      world.edge.status() as { fronts: { shown: { destinationId: string; listening: boolean }[] } }
    ).fronts.shown.some((one) => one.destinationId === id && one.listening),
  );
}

interface ShownRefusal {
  code: string;
  text: string;
}

function refusalsOf(world: World, id: string): ShownRefusal[] {
  const { fronts } = world.edge.status() as {
    fronts: { shown: { destinationId: string; lastRefusals: ShownRefusal[] }[] };
  };
  return fronts.shown.find((one) => one.destinationId === id)?.lastRefusals ?? [];
}

function lastRefusal(world: World, id = 'd9'): Promise<ShownRefusal> {
  return until(() => refusalsOf(world, id)[0]);
}

async function exchangeTls(socket: TLSSocket, text: string): Promise<string> {
  await once(socket, 'secureConnect');
  return exchange(socket, text);
}

test('a name below the platform’s host is served on its port with the platform’s certificate, half-close included', async () => {
  await inWorld(async (world) => {
    world.platform.setRoute(named(world, 'orders-g1.gw.example'));
    await untilServed(world);
    await withClient(world, async () => {
      const caller = callTls(world, 'Orders-g1.gw.example', {
        ca: world.platform.caPem,
        rejectUnauthorized: true,
      });
      assert.equal(await exchangeTls(caller, 'hello'), 'hello');
      const large = 'x'.repeat(3_000_000);
      assert.equal((await exchangeTls(callTls(world, 'orders-g1.gw.example'), large)) === large, true);
    });
  });
});

test('a front with a port of its own does not answer, by the platform’s certificate, for the platform or for another front', async () => {
  await inWorld(async (world) => {
    const port = await freePort();
    const front = frontOf({ host: 'orders-g1.gw.example', port, tls: ended1 });
    world.platform.setRoute(echoRoute(0, world.echo.port, { id: 'd9', front }));
    await untilServed(world);
    await withClient(world, async () => {
      const trusting = { port, ca: world.platform.caPem, rejectUnauthorized: true };
      assert.equal(await exchangeTls(callTls(world, 'Orders-g1.gw.example', trusting), 'hello'), 'hello');
      // Who is between a client and the platform can lead it here, and has it believe the certificate.
      for (const name of ['gw.example', 'edge-1.tunnel.gw.example', 'orders-g2.gw.example']) {
        const caller = callTls(world, name, trusting);
        caller.write('the token');
        const told = new Promise((resolve) => {
          caller.once('data', (bytes: Buffer) => resolve(`the resource has ${String(bytes)}`));
        });
        assert.equal(await Promise.race([ended(caller), told]), 'ECONNRESET', name);
        assert.equal((await lastRefusal(world)).code, 'EDGE_TLS_HANDSHAKE');
      }
      // Nobody takes the certificate for this name; who does not ask for one that is good may call it so.
      const careless = callTls(world, 'orders.elsewhere.example', { port, rejectUnauthorized: false });
      assert.equal(await exchangeTls(careless, 'hello'), 'hello');
    });
  });
});

test('an unknown name, and none, get the platform’s certificate and its answer', async () => {
  await inWorld(async (world) => {
    world.platform.setRoute(named(world, '*.apps.example', { tls: passthrough }));
    await untilServed(world);
    for (const name of ['unknown.example', 'apps.example', 'a.b.apps.example', undefined]) {
      const caller = callTls(world, name);
      await once(caller, 'secureConnect');
      assert.match(caller.getPeerCertificate().subjectaltname ?? '', /DNS:gw\.example/, String(name));
      caller.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
      const [answer] = (await once(caller, 'data')) as [Buffer];
      assert.match(String(answer), /^HTTP\/1\.1 404[^]*EDGE_CALL_NOT_FOUND/);
      caller.destroy();
    }
  });
});

test('TLS that is passed through by its name reaches the resource untouched', async () => {
  const authority = await createAuthority({ commonName: 'Private CA' });
  const keyPem = await generateKey();
  const csrPem = await createSigningRequest({ keyPem, commonName: 'db.corp' });
  const cert = await loadAuthority(authority).issue({
    csrPem,
    names: ['db.corp'],
    usage: 'server',
    notAfter: new Date(Date.now() + 86_400_000),
  });
  const resource = createTlsServer({ key: keyPem, cert, ALPNProtocols: ['own/1'] }, (socket) =>
    socket.pipe(socket),
  );
  resource.listen(0, '127.0.0.1');
  await once(resource, 'listening');
  const { port } = resource.address() as { port: number };
  await inWorld(async (world) => {
    const onShared = named(world, 'db.corp', { tls: passthrough });
    const ownPort = await freePort();
    const onOwn = { ...onShared, id: 'd2', shared: false, front: { ...onShared.front, port: ownPort } };
    for (const route of [onShared, onOwn]) {
      world.platform.setRoute({ ...route, resource: { ...route.resource, port } });
      await untilServed(world, route.id);
    }
    await withClient(world, async () => {
      const trust = { ca: authority.certificatePem, rejectUnauthorized: true, ALPNProtocols: ['own/1'] };
      for (const where of [{}, { port: ownPort }]) {
        const caller = callTls(world, 'db.corp', { ...trust, ...where });
        await once(caller, 'secureConnect');
        assert.equal(caller.alpnProtocol, 'own/1');
        caller.write('hello');
        const [echoed] = (await once(caller, 'data')) as [Buffer];
        assert.equal(String(echoed), 'hello');
        caller.destroy();
      }
    });
  });
  resource.close();
});

test('a ClientHello that comes in single bytes is waited for', async () => {
  await inWorld(async (world) => {
    world.platform.setRoute(named(world, 'a.gw.example'));
    await untilServed(world);
    const relay = createServer({ allowHalfOpen: true }, (near) => {
      const far = world.call(world.edge.ports.connect);
      near.on('data', (bytes: Buffer) => {
        for (const byte of bytes) far.write(Buffer.of(byte));
      });
      near.on('end', () => far.end());
      far.pipe(near);
      near.on('error', () => {});
    }).listen(0, '127.0.0.1');
    await once(relay, 'listening');
    await withClient(world, async () => {
      const { port } = relay.address() as { port: number };
      assert.equal(await exchangeTls(callTls(world, 'a.gw.example', { port }), 'bytes'), 'bytes');
    });
    relay.close();
  });
});

test('a ClientHello that is not whole within the time that a handshake has, or is none, is reset', async () => {
  await inWorld(
    async (world) => {
      for (const bytes of [
        [22, 3, 1, 0, 200, 1],
        [22, 9, 9],
      ]) {
        const caller = world.call(world.edge.ports.connect);
        caller.write(Buffer.from(bytes));
        assert.equal(await ended(caller), 'ECONNRESET');
      }
    },
    { options: { handshakeTimeoutMs: 400 } },
  );
});

test('source rules are asked before TLS, and who they deny sees no certificate', async () => {
  await inWorld(async (world) => {
    world.platform.setRoute(named(world, 'a.gw.example'));
    world.platform.setPolicy({
      ...policyOf(),
      sourceRules: [{ destinationId: 'd9', restricted: true, rules: [{ source: '192.0.2.1' }] }],
    });
    await untilServed(world);
    const caller = callTls(world, 'a.gw.example');
    assert.equal(await ended(caller), 'ECONNRESET');
    assert.equal((await lastRefusal(world)).code, 'EDGE_SOURCE_DENIED');
    assert.equal(caller.getPeerX509Certificate(), undefined);
  });
});

const handshakes: [what: string, handshakeTimeoutMs: number, told: RegExp, act: (socket: Socket) => void][] =
  [
    [
      'in plain text',
      10_000,
      /EDGE_TLS_HANDSHAKE: .*plain text/,
      (socket) => socket.once('connect', () => socket.setNoDelay().write('GET / HTTP/1.1\r\n\r\n')),
    ],
    ['that says nothing', 300, /EDGE_CALLER_SILENT/, () => {}],
  ];
for (const [what, handshakeTimeoutMs, told, act] of handshakes)
  test(`a front that ends TLS says what was wrong with a handshake: ${what}`, () =>
    inWorld(
      async (world) => {
        const port = await freePort();
        const route = named(world, 'a.gw.example');
        world.platform.setRoute({ ...route, shared: false, front: { ...route.front, port } });
        await untilServed(world);
        const caller = world.call(port);
        act(caller);
        await ended(caller);
        const { code, text } = await lastRefusal(world);
        assert.match(`${code}: ${text}`, told);
      },
      { options: { handshakeTimeoutMs } },
    ));

test('who floods a gateway’s front with handshakes that never end cuts none at another gateway’s', async () => {
  await inWorld(
    async (world) => {
      world.platform.setPolicy(policyOf({ id: 'g2' }));
      const [flooded, other] = [await freePort(), await freePort()];
      const route = (gatewayId: string, id: string, port: number) =>
        echoRoute(0, world.echo.port, { gatewayId, id, front: frontOf({ port, tls: ended1 }) });
      world.platform.setRoute(route('g1', 'd9', flooded));
      world.platform.setRoute(route('g2', 'd2', other));
      for (const id of ['d9', 'd2']) await untilServed(world, id);
      const slow = world.call(other);
      await untilMetric(world, /^postern_edge_handshakes\{port="front"\} 1$/m);
      const silent = Array.from({ length: 5 }, () => ended(world.call(flooded)));
      await Promise.all(silent.slice(0, 3));
      await untilMetric(
        world,
        /^postern_edge_handshake_evictions_total\{port="front",cause="gateway full"\} 3$/m,
      );
      await once(connectTls({ socket: slow, rejectUnauthorized: false }), 'secureConnect');
    },
    { options: { handshakesMax: 4, handshakesPerAddressMax: 10 } },
  );
});

test('a PostgreSQL client’s question is answered before its TLS, on a port of its own and on the shared one', async () => {
  await inWorld(async (world) => {
    const port = await freePort();
    const route = named(world, 'db.gw.example');
    world.platform.setRoute(route);
    world.platform.setRoute({ ...route, id: 'd2', shared: false, front: { ...route.front, port } });
    for (const id of ['d9', 'd2']) await untilServed(world, id);
    await withClient(world, async () => {
      for (const where of [port, world.edge.ports.connect]) {
        const socket = world.call(where);
        socket.write(Buffer.from('0000000804d2162f', 'hex'));
        const [answer] = (await once(socket, 'data')) as [Buffer];
        assert.equal(String(answer), 'S');
        const caller = connectTls({ socket, servername: 'db.gw.example', ca: world.platform.caPem });
        assert.equal(await exchangeTls(caller, 'select 1'), 'select 1');
      }
      const stuffed = world.call(port);
      stuffed.write(Buffer.from('0000000804d2162f00', 'hex'));
      assert.equal(await ended(stuffed), 'ECONNRESET');
      assert.match((await lastRefusal(world, 'd2')).text, /before the answer/);
    });
  });
});

const told = {
  source: { address: '203.0.113.9', port: 4711 },
  destination: { address: '198.51.100.1', port: 443 },
};

test('on its ports a trusted balancer says who calls, and rules and client see that address', async () => {
  await inWorld(
    async (world) => {
      const rules = [{ source: told.source.address }];
      world.platform.setPolicy(policyOf({ sourceRules: [{ destinationId: 'd1', restricted: true, rules }] }));
      const client = new TestClient(world.platform);
      await client.connect(world.edge.ports.tunnel);
      for (const header of [
        writeProxyHeader1(told),
        writeProxyHeader2(told, [{ type: 4, value: Buffer.alloc(9) }]),
      ]) {
        const caller = world.call();
        caller.write(header.subarray(0, 5));
        caller.write(header.subarray(5));
        assert.equal(await exchange(caller, 'behind'), 'behind');
        assert.deepEqual(client.streams.at(-1)?.caller, told.source);
      }
      const bare = world.call();
      bare.write('GET / HTTP/1.1\r\n\r\n');
      assert.equal(await ended(bare), 'ECONNRESET');
      assert.equal((await lastRefusal(world, 'd1')).code, 'EDGE_PROXY_HEADER');
      client.close();
    },
    { options: { trustedBalancers: ['127.0.0.0/8'], proxyProtocolPorts: ['1-65535'] } },
  );
});

test('on the shared port a PROXY header comes before the ClientHello, and the platform’s own calls have one too', async () => {
  await inWorld(
    async (world) => {
      world.platform.setRoute(named(world, 'a.gw.example'));
      await untilServed(world);
      await withClient(world, async () => {
        for (const [servername, request, answer] of [
          ['a.gw.example', 'echo', /^echo$/],
          ['gw.example', 'GET / HTTP/1.1\r\nhost: x\r\n\r\n', /EDGE_CALL_NOT_FOUND/],
        ] as const) {
          const socket = world.call(world.edge.ports.connect);
          socket.write(writeProxyHeader2(told));
          const caller = connectTls({ socket, servername, rejectUnauthorized: false });
          assert.match(await exchangeTls(caller, request), answer);
        }
        const socket = world.call(world.edge.ports.connect);
        socket.write(writeProxyHeader2(told));
        const caller = connectTls({ socket, servername: 'gw.example', rejectUnauthorized: false });
        const body = JSON.stringify({
          gatewayId: 'g1',
          bootId: 'boot-one',
          publicKey: { kty: 'OKP', crv: 'Ed25519', x: 'A'.repeat(43) },
          facts: { name: 'c', version: '1', platform: 'test' },
        });
        const head = `POST /v1/connect HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${rightToken}\r\n`;
        caller.write(`${head}content-length: ${body.length}\r\n\r\n${body}`);
        const [answer] = (await once(caller, 'data')) as [Buffer];
        assert.match(String(answer), /^HTTP\/1\.1 200 /);
        caller.destroy();
        assert.equal(world.platform.callers.at(-1), told.source.address);
      });
    },
    { options: { trustedBalancers: ['127.0.0.1'], proxyProtocolPorts: ['1-65535'] } },
  );
});

test('from anybody else a PROXY header is what any bytes are', async () => {
  await inWorld(
    async (world) => {
      const client = new TestClient(world.platform);
      await client.connect(world.edge.ports.tunnel);
      const line = String(writeProxyHeader1(told));
      assert.equal(await exchange(world.call(), line), line);
      assert.equal(client.streams.at(-1)?.caller.address, '127.0.0.1');
      client.close();
    },
    { options: { trustedBalancers: ['192.0.2.0/24'], proxyProtocolPorts: ['1-65535'] } },
  );
});

test('a resource that wants a PROXY header gets it before the caller’s first byte, with the facts that it asks for', async () => {
  await inWorld(async (world) => {
    await withClient(world, async () => {
      const front = frontOf({ port: await freePort(), proxyProtocol: 'v1' });
      world.platform.setRoute(echoRoute(0, world.echo.port, { id: 'd2', front }));
      await untilServed(world, 'd2');
      const caller = world.call(front.port);
      await once(caller, 'connect');
      const line = `PROXY TCP4 127.0.0.1 127.0.0.1 ${caller.localPort} ${front.port}\r\n`;
      assert.equal(await exchange(caller, 'hello'), `${line}hello`);
      world.platform.setRoute(
        named(world, 'a.gw.example', { proxyProtocol: 'v2', proxyProtocolFacts: true }),
      );
      await untilServed(world);
      const tls = callTls(world, 'a.gw.example');
      await once(tls, 'secureConnect');
      const { localPort: port } = tls;
      const chunks: Buffer[] = [];
      tls.end('hello');
      for await (const chunk of tls as AsyncIterable<Buffer>) chunks.push(chunk);
      const all = Buffer.concat(chunks);
      const read = readProxyHeader(all);
      assert.ok(read.kind === 'header');
      assert.deepEqual(read.ends?.source, { address: '127.0.0.1', port });
      assert.equal(String(all.subarray(read.bytes)), 'hello');
      const facts = all.subarray(28, read.bytes).toString('latin1');
      assert.match(facts, /a\.gw\.example/);
      assert.match(facts, /TLSv1\.3/);
    });
  });
});

test('below a platform’s host of one label each front has a certificate in its own name', async () => {
  await withWorld(async (world) => {
    world.platform.setRoute(named(world, 'orders-g1.localhost'));
    await untilServed(world);
    await withClient(world, async () => {
      const asked = async (): Promise<string | null> => {
        const caller = callTls(world, 'orders-g1.localhost', { ca: world.platform.caPem });
        caller.on('error', () => {});
        return exchangeTls(caller, 'hello').catch(() => null);
      };
      let answer = await asked();
      while (answer === null) answer = await asked();
      assert.equal(answer, 'hello');
      const caller = callTls(world, 'orders-g1.localhost', { ca: world.platform.caPem });
      await once(caller, 'secureConnect');
      assert.equal(caller.getPeerCertificate().subjectaltname, 'DNS:orders-g1.localhost');
      assert.ok(caller.authorized, String(caller.authorizationError));
      caller.destroy();
    });
  });
});
