import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
import { ask, catchUpAtNode, listTunnels } from '@postern/contracts';
import type { Stream } from '@postern/tunnel';
import { GoAwayCode, ResetCode, TunnelError } from '@postern/tunnel';
import { freePort } from '@postern/test-kit';
import { TestClient } from '../fixture/client.ts';
import { frontOf, policyOf, resourceOf } from '../fixture/documents.ts';
import {
  type World,
  callRunning,
  echoRoute,
  ended,
  exchange,
  until,
  untilMetric,
  withWorld,
} from '../fixture/node.ts';
import { portErrors } from '../fixture/port-error.ts';
import { startGapMs } from './tunnel-gaps.ts';

interface ShownStatus {
  callers: { open: number; opening: number };
  tunnels: { count: number; shown: { draining: boolean }[] };
  fronts: {
    shown: {
      enabled: boolean;
      listening: boolean;
      error: string | null;
      lastRefusals: { code: string; rule?: string; end: string }[];
    }[];
  };
}

function statusOf({ edge }: World): ShownStatus {
  return edge.status() as ShownStatus;
}

/** The code of the last caller that was turned away. */
async function lastCode(world: World): Promise<string> {
  return until(() => statusOf(world).fronts.shown[0]?.lastRefusals.at(-1)?.code);
}

test('bytes go both ways through a front, a tunnel and a client, half-close included', async () => {
  await withWorld(async (world) => {
    const client = new TestClient(world.platform);
    await client.connect(world.edge.ports.tunnel);
    assert.equal(await exchange(world.call(), 'hello'), 'hello');
    const [metadata] = client.streams;
    assert.equal(metadata?.destinationId, 'd1');
    assert.equal(metadata?.port, world.echo.port);
    assert.equal(metadata?.caller.address, '127.0.0.1');
    await until(() => statusOf(world).callers.open === 0);
    client.close();
  });
});

test('a caller is reset when no client is connected, and the cause is kept', async () => {
  await withWorld(async (world) => {
    assert.equal(await ended(world.call()), 'ECONNRESET');
    assert.equal(await lastCode(world), 'EDGE_NO_CLIENT');
  });
});

test('whoever asks about a destination hears whether it is served, and whom it turned away last', async () => {
  await withWorld(async (world) => {
    const asked = { destinationIds: ['d1', 'none'] };
    const figures = async () => {
      const { tunnels, fronts } = await ask(world.platform.bus, listTunnels, asked, { suffix: 'edge-1' });
      assert.deepEqual(tunnels, []);
      return fronts;
    };
    assert.deepEqual(await figures(), [{ destinationId: 'd1', listening: true, error: null }]);
    assert.equal(await ended(world.call()), 'ECONNRESET');
    await lastCode(world);
    const [front] = await figures();
    assert.equal(front?.lastRefusal?.code, 'EDGE_NO_CLIENT');
    assert.match(front?.lastRefusal?.caller ?? '', /^127\.0\.0\.1:/);
  });
});

test('callers that come before the first client of a node that was just started are served when it is there', async () => {
  await withWorld(
    async (world) => {
      const call = exchange(world.call(), 'one');
      await until(() => statusOf(world).callers.opening === 1);
      const client = new TestClient(world.platform);
      await client.connect(world.edge.ports.tunnel);
      assert.equal(await call, 'one');
      client.close();
    },
    { startGapMs },
  );
});

test('callers that come while the only client is away for a moment are served when it is back', async () => {
  await withWorld(async (world) => {
    const client = new TestClient(world.platform);
    for (const goes of ['cut', 'stopped'] as const) {
      const tunnel = await client.connect(world.edge.ports.tunnel);
      if (goes === 'cut') tunnel.destroy(new TunnelError('TUNNEL_CLOSED', 'cut by the test'));
      // As of a client that finishes what it has: the tunnel is still up.
      else tunnel.goAway(GoAwayCode.ShuttingDown, 'the client stops');
      await until(() => statusOf(world).tunnels.shown.every(({ draining }) => draining));
      const calls = [exchange(world.call(), 'one'), exchange(world.call(), 'two')];
      await until(() => statusOf(world).callers.opening === 2);
      await client.connect(world.edge.ports.tunnel);
      assert.deepEqual(await Promise.all(calls), ['one', 'two'], goes);
      for (const session of client.endpoint.sessions)
        session.destroy(new TunnelError('TUNNEL_CLOSED', 'cut by the test'));
    }
    client.close();
  });
});

test('a caller that waits for a client to be back is refused at once when the gateway is disabled', async () => {
  await withWorld(async (world) => {
    const client = new TestClient(world.platform);
    await client.connect(world.edge.ports.tunnel);
    client.close();
    await until(() => statusOf(world).tunnels.count === 0);
    const caller = world.call();
    await until(() => statusOf(world).callers.opening === 1);
    world.platform.setRoute(echoRoute(world.frontPort, world.echo.port, { gatewayEnabled: false }));
    assert.equal(await ended(caller), 'ECONNRESET');
    assert.equal(await lastCode(world), 'EDGE_GATEWAY_DISABLED');
    assert.equal(statusOf(world).callers.opening, 0);
  });
});

test('a disabled destination refuses new callers and lets what runs go on', async () => {
  await withWorld(async (world) => {
    const client = new TestClient(world.platform);
    await client.connect(world.edge.ports.tunnel);
    const running = await callRunning(world);
    world.platform.setRoute(echoRoute(world.frontPort, world.echo.port, { enabled: false }));
    await until(() => statusOf(world).fronts.shown[0]?.enabled === false);
    assert.equal(await ended(world.call()), 'ECONNRESET');
    assert.equal(await lastCode(world), 'EDGE_DESTINATION_DISABLED');
    assert.equal(await exchange(running, 'b'), 'b');
    client.close();
  });
});

test('a deleted destination resets its streams and closes its front', async () => {
  await withWorld(async (world) => {
    const client = new TestClient(world.platform);
    await client.connect(world.edge.ports.tunnel);
    const running = await callRunning(world);
    world.platform.deleteRoute('d1');
    assert.equal(await ended(running), 'ECONNRESET');
    const late = connect({ port: world.frontPort, host: '127.0.0.1' });
    const [error] = (await once(late, 'error')) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'ECONNREFUSED');
    client.close();
  });
});

test('streams that a changed access list no longer allows are reset, with the rule named', async () => {
  await withWorld(async (world) => {
    const client = new TestClient(world.platform);
    await client.connect(world.edge.ports.tunnel);
    const running = await callRunning(world);
    const accessList = [{ action: 'deny' as const, host: '127.0.0.1', port: '*' }];
    world.platform.setPolicy(policyOf({ accessListRevision: 2, accessList }));
    assert.equal(await ended(running), 'ECONNRESET');
    const [refusal] = statusOf(world).fronts.shown[0]?.lastRefusals ?? [];
    assert.equal(refusal?.code, 'EDGE_ACCESS_DENIED');
    assert.match(refusal?.rule ?? '', /^0: .*127\.0\.0\.1/);
    const lists = () => client.controls.filter((body) => (body as { kind: string }).kind === 'accessList');
    await until(() => lists().length > 0);
    assert.deepEqual(lists()[0], { kind: 'accessList', epoch: 'e1', revision: 2, rules: accessList });
    client.close();
  });
});

test('a client whose own list denies is not asked, and is named', async () => {
  await withWorld(async (world) => {
    const ownRules = [{ action: 'deny' as const, host: '127.0.0.1', port: '*' }];
    const client = new TestClient(world.platform, { ownRules });
    await client.connect(world.edge.ports.tunnel);
    assert.equal(await ended(world.call()), 'ECONNRESET');
    const [refusal] = statusOf(world).fronts.shown[0]?.lastRefusals ?? [];
    assert.equal(refusal?.code, 'EDGE_CLIENT_DENIED');
    assert.equal(refusal?.end, 'client');
    assert.equal(client.streams.length, 0);
    client.close();
  });
});

test('when a client says that nothing was reached, the next one gets the same early bytes', async () => {
  await withWorld(async (world) => {
    const refusing = new TestClient(world.platform, {
      onStream: (stream: Stream) => {
        stream.events = { onData: () => stream.reset(ResetCode.Refused, 'connection refused') };
        setImmediate(() => stream.reset(ResetCode.Refused, 'connection refused'));
      },
    });
    await refusing.connect(world.edge.ports.tunnel);
    for (let i = 0; i < 8; i += 1) {
      const good = new TestClient(world.platform);
      await good.connect(world.edge.ports.tunnel);
      const calls = [1, 2, 3, 4].map(() => world.call());
      assert.deepEqual(await Promise.all(calls.map((one) => exchange(one, 'early'))), [
        'early',
        'early',
        'early',
        'early',
      ]);
      good.close();
      await until(() => statusOf(world).callers.open === 0);
    }
    assert.ok(refusing.streams.length > 0, 'the refusing client was asked now and then');
    refusing.close();
  });
});

test('a caller whose every client refuses is told so by code', async () => {
  await withWorld(async (world) => {
    const client = new TestClient(world.platform, {
      onStream: (stream) => stream.reset(ResetCode.NotResolved, 'no such name: db.corp'),
    });
    await client.connect(world.edge.ports.tunnel);
    assert.equal(await ended(world.call()), 'ECONNRESET');
    assert.equal(await lastCode(world), 'EDGE_RESOURCE_NOT_RESOLVED');
    client.close();
  });
});

test('a port that is taken is shown, and served as soon as it is free', async () => {
  await withWorld(async (world) => {
    const taken = createServer().listen(await freePort(), '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    world.platform.setRoute(echoRoute(port, world.echo.port));
    const front = await until(() => statusOf(world).fronts.shown.find((one) => one.error !== null));
    assert.match(front.error ?? '', /EADDRINUSE/);
    taken.close();
    await until(() => statusOf(world).fronts.shown.find((one) => one.listening));
    const client = new TestClient(world.platform);
    await client.connect(world.edge.ports.tunnel);
    assert.equal(await exchange(world.call(port), 'x'), 'x');
    client.close();
  });
});

test('a connection that the system cannot accept is logged, and the front goes on to listen', async (t) => {
  const { logger, lines, fail } = portErrors(t);
  await withWorld(
    async (world) => {
      const client = new TestClient(world.platform);
      await client.connect(world.edge.ports.tunnel);
      assert.equal(await exchange(world.call(), 'before'), 'before');
      fail(world.frontPort, 'accept ENFILE');
      assert.equal(lines.filter((line) => line.includes('accept ENFILE')).length, 1);
      assert.deepEqual(
        statusOf(world).fronts.shown.map(({ listening, error }) => ({ listening, error })),
        [{ listening: true, error: null }],
      );
      assert.equal(await exchange(world.call(), 'after'), 'after');
      client.close();
    },
    { logger },
  );
});

test('a node that has caught up listens where its fronts are now, another port too', async () => {
  await withWorld(async (world) => {
    const client = new TestClient(world.platform);
    await client.connect(world.edge.ports.tunnel);
    for (let n = 0; n < 20; n += 1) {
      const port = await freePort();
      world.platform.setRoute(echoRoute(port, world.echo.port));
      await ask(world.platform.bus, catchUpAtNode, {}, { suffix: 'edge-1' });
      assert.equal(await exchange(world.call(port), 'x'), 'x');
    }
    client.close();
  });
});

test('callers beyond the bounds are reset at once', async () => {
  await withWorld(
    async (world) => {
      const client = new TestClient(world.platform);
      await client.connect(world.edge.ports.tunnel);
      const first = world.call();
      first.write('a');
      await once(first, 'data');
      assert.equal(await ended(world.call()), 'ECONNRESET');
      assert.equal(await lastCode(world), 'EDGE_ADDRESS_FULL');
      assert.equal(await exchange(first, 'b'), 'b');
      client.close();
    },
    { options: { connectionsPerAddressMax: 1 } },
  );
});

/** Another gateway's caller has a place: it is refused only because nobody is there for it. */
async function callerOfOtherGatewayIsTaken(world: World): Promise<void> {
  const port = await freePort();
  world.platform.setPolicy(policyOf({ id: 'g2' }));
  world.platform.setRoute({ ...echoRoute(port, world.echo.port), id: 'd2', gatewayId: 'g2' });
  const front = () => statusOf(world).fronts.shown[1];
  await until(() => front()?.listening);
  assert.equal(await ended(world.call(port)), 'ECONNRESET');
  assert.equal(await until(() => front()?.lastRefusals[0]?.code), 'EDGE_NO_CLIENT');
}

test('one gateway has no more callers than half of the bound, which other gateways have too', async () => {
  await withWorld(
    async (world) => {
      const client = new TestClient(world.platform);
      await client.connect(world.edge.ports.tunnel);
      const held = [world.call(), world.call()];
      for (const socket of held) socket.write('a');
      await Promise.all(held.map((socket) => once(socket, 'data')));
      assert.equal(await ended(world.call()), 'ECONNRESET');
      assert.equal(await lastCode(world), 'EDGE_CONNECTIONS_FULL');
      await callerOfOtherGatewayIsTaken(world);
      for (const socket of held) socket.resetAndDestroy();
      await until(() => statusOf(world).callers.open === 0);
      assert.equal(await exchange(world.call(), 'x'), 'x');
      client.close();
    },
    { options: { connectionsMax: 4 } },
  );
});

/** A second destination, whose front is of UDP, and what is shown of that. */
async function withUdpFront(world: World) {
  const port = await freePort();
  const [resource, front] = [resourceOf({ protocol: 'udp' }), frontOf({ protocol: 'udp', port })];
  world.platform.setRoute({ ...echoRoute(port, 1, { resource, front }), id: 'd2' });
  const udp = () => statusOf(world).fronts.shown[1];
  await until(() => udp()?.listening);
  return { port, udp };
}

test('UDP callers leave half of the connections to those who have shown their address', async () => {
  await withWorld(
    async (world) => {
      const client = new TestClient(world.platform, { onStream: (stream) => stream.accept() });
      await client.connect(world.edge.ports.tunnel);
      const { port, udp } = await withUdpFront(world);
      const callers = [createSocket('udp4'), createSocket('udp4')];
      for (const caller of callers) caller.send('a', port, '127.0.0.1');
      assert.equal(await until(() => udp()?.lastRefusals[0]?.code), 'EDGE_CONNECTIONS_FULL');
      world.call();
      await until(() => statusOf(world).callers.open === 2);
      for (const caller of callers) caller.close();
      client.close();
    },
    { options: { connectionsMax: 4 } },
  );
});

test('datagrams stay counted when their front goes', async () => {
  await withWorld(async (world) => {
    const { port } = await withUdpFront(world);
    const caller = createSocket('udp4');
    caller.send('a', port, '127.0.0.1');
    const counted = /^postern_edge_udp_dropped_total\{side="front"\} 1$/m;
    await untilMetric(world, counted);
    caller.close();
    world.platform.deleteRoute('d2');
    await until(() => statusOf(world).fronts.shown.length === 1);
    assert.match(await world.metrics.text(), counted);
  });
});

for (const bound of ['connectionsPerSecondPerAddress', 'connectionsPerAddressMax'] as const)
  test(`datagrams in the name of an address take nothing from its connections: ${bound}`, async () => {
    await withWorld(
      async (world) => {
        const client = new TestClient(world.platform);
        await client.connect(world.edge.ports.tunnel);
        const { port, udp } = await withUdpFront(world);
        const callers = Array.from({ length: 4 }, () => createSocket('udp4'));
        for (const caller of callers) caller.send('a', port, '127.0.0.1');
        await until(() => udp()?.lastRefusals.some(({ code }) => code.startsWith('EDGE_ADDRESS_')));
        assert.equal(await exchange(world.call(), 'x'), 'x');
        for (const caller of callers) caller.close();
        client.close();
      },
      { options: { [bound]: 2 } },
    );
  });

for (const [whose, isAway] of [
  ['a client that never answers', false],
  ['a client that is away for a moment', true],
] as const)
  test(`${whose} holds no more callers than half of the bound, which other gateways have too`, async () => {
    await withWorld(
      async (world) => {
        const client = new TestClient(world.platform, { onStream: () => {} });
        await client.connect(world.edge.ports.tunnel);
        if (isAway) client.close();
        await until(() => statusOf(world).tunnels.count === (isAway ? 0 : 1));
        const waiting = [world.call(), world.call()];
        await until(() => statusOf(world).callers.opening === 2);
        assert.equal(await ended(world.call()), 'ECONNRESET');
        assert.equal(await lastCode(world), 'EDGE_OPENING_FULL');
        await callerOfOtherGatewayIsTaken(world);
        for (const socket of waiting) socket.resetAndDestroy();
        // A gap is short, and nothing is read of who waits for its end.
        if (!isAway) await until(() => statusOf(world).callers.opening === 0);
        client.close();
      },
      { options: { openingMax: 4 } },
    );
  });
