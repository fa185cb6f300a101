import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { test } from 'node:test';
import { type CloudListenerState, type Control, ask, catchUpAtNode, listTunnels } from '@postern/contracts';
import { freePort } from '@postern/test-kit';
import { TestClient } from '../fixture/client.ts';
import { policyOf } from '../fixture/documents.ts';
import { helloOf } from '../fixture/hello.ts';
import { portErrors } from '../fixture/port-error.ts';
import { type World, echoRoute, ended, exchange, until, untilMetric, withWorld } from '../fixture/node.ts';

interface ShownStatus {
  tunnels: { count: number; shown: { clientId: string; streams: number }[] };
  callers: { open: number };
  fronts: { shown: { lastRefusals: { code: string }[] }[] };
}

const statusOf = ({ edge }: World) => edge.status() as ShownStatus;
const tunnelsOf = (world: World) => statusOf(world).tunnels.count;

/** A caller with a stream that has carried a byte. */
async function running(world: World): Promise<Socket> {
  const socket = world.call();
  socket.write('a');
  await once(socket, 'data');
  return socket;
}

/** The code in the refusal that the client got. */
async function refusalOf(connecting: Promise<unknown>): Promise<string | undefined> {
  try {
    await connecting;
    return undefined;
  } catch (error) {
    return (error as { detail?: string }).detail;
  }
}

test('a tunnel is told its name, its gateway and the access list', async () => {
  await withWorld(async (world) => {
    const client = new TestClient(world.platform);
    await client.connect(world.edge.ports.tunnel);
    assert.equal(client.welcome?.gateway.name, 'plant');
    assert.deepEqual(client.welcome?.accessList, { epoch: 'e1', revision: 1, rules: policyOf().accessList });
    await until(() => tunnelsOf(world) === 1);
    client.close();
    await until(() => tunnelsOf(world) === 0);
  });
});

test('an access list is in force when its clients have taken it', async () => {
  await withWorld(async (world) => {
    const client = new TestClient(world.platform);
    const session = await client.connect(world.edge.ports.tunnel);
    const order: string[] = [];
    client.events.on('control', (body: Control) => {
      order.push(body.kind);
      if (body.kind === 'ping') session.sendControl({ kind: 'pong', id: body.id });
    });
    world.platform.setPolicy(policyOf({ accessListRevision: 2, accessList: [] }));
    await ask(world.platform.bus, catchUpAtNode, {}, { suffix: 'edge-1' });
    order.push('in force');
    assert.deepEqual(order, ['accessList', 'ping', 'in force']);
    client.close();
  });
});

test('the tunnels of a gateway are told whatever its clients say of their listeners', async () => {
  await withWorld(async (world) => {
    const clients = [1, 2, 3].map(() => new TestClient(world.platform));
    const text = 'x'.repeat(200);
    const lastRefusal = { at: '', caller: '', code: 'EDGE_ACCESS_DENIED', text };
    const listeners = Array.from({ length: 64 }, (_, at) => {
      return { destinationId: `c${at}`, listening: false, error: text, lastRefusal };
    });
    // What clients say of others a node does not keep.
    const route = echoRoute(world.frontPort, world.echo.port);
    for (const { destinationId: id } of listeners)
      world.platform.setRoute({ ...route, id, kind: 'cloud', clientPort: 15432 });
    await ask(world.platform.bus, catchUpAtNode, {}, { suffix: 'edge-1' });
    for (const client of clients) {
      for (let at = 0; at < 16; at += 1) {
        const session = await client.connect(world.edge.ports.tunnel);
        session.sendControl({ kind: 'cloudListeners', listeners });
      }
    }
    const told = async (): Promise<CloudListenerState[][]> => {
      const { tunnels } = await ask(
        world.platform.bus,
        listTunnels,
        { gatewayId: 'g1' },
        { suffix: 'edge-1' },
      );
      return tunnels.map((tunnel) => tunnel.listeners ?? []);
    };
    let shown = await told();
    while (!shown.every((one) => one.length === 64)) shown = await told();
    assert.ok(shown.length > 10);
    for (const client of clients) client.close();
  });
});

test('a wrong ticket is refused with its code, and the node goes on', async () => {
  await withWorld(async (world) => {
    const client = new TestClient(world.platform);
    const { tunnel } = world.edge.ports;
    assert.equal(await refusalOf(client.connect(tunnel, {}, -30)), 'EDGE_TICKET_EXPIRED');
    assert.equal(await refusalOf(client.connect(tunnel, { use: 'reserve' })), 'EDGE_TICKET_RESERVE_REFUSED');
    assert.equal(await refusalOf(client.connect(tunnel, { gw: 'g9' })), 'EDGE_GATEWAY_UNKNOWN');
    await client.connect(tunnel);
    assert.equal(await exchange(world.call(), 'x'), 'x');
    client.close();
  });
});

test('one gateway has half of a node’s tunnels at most, and those of others are taken', async () => {
  await withWorld(
    async (world) => {
      const { tunnel } = world.edge.ports;
      const client = new TestClient(world.platform);
      await Promise.all([client.connect(tunnel), client.connect(tunnel)]);
      await until(() => tunnelsOf(world) === 2);
      assert.equal(await refusalOf(client.connect(tunnel)), 'EDGE_TUNNELS_FULL');
      world.platform.setPolicy(policyOf({ id: 'g2' }));
      const other = new TestClient(world.platform);
      await other.connect(tunnel, { gw: 'g2' });
      await until(() => tunnelsOf(world) === 3);
      client.close();
      other.close();
    },
    { options: { tunnelsMax: 4 } },
  );
});

test('handshakes that end in one turn bring no more tunnels than the gateway may have', async () => {
  await withWorld(
    async (world) => {
      const { tunnel } = world.edge.ports;
      const clients = [1, 2, 3].map(() => new TestClient(world.platform));
      // They wait for the gateway, which this node does not know yet, and go on together.
      const connecting = clients.map((client) => client.connect(tunnel, { gw: 'g2' }));
      await untilMetric(world, /postern_edge_handshakes\{port="tunnel"\} 3/);
      world.platform.setPolicy(policyOf({ id: 'g2' }));
      const sessions = await Promise.allSettled(connecting);
      const isUp = (session: (typeof sessions)[number]) =>
        session.status === 'fulfilled' && !session.value.closed;
      await until(() => sessions.filter(isUp).length === 1);
      assert.equal(tunnelsOf(world), 1);
      for (const client of clients) client.close();
    },
    { options: { tunnelsMax: 2 } },
  );
});

test('one start of a client has sixteen tunnels at most, and another start or client is taken', async () => {
  await withWorld(async (world) => {
    const { tunnel } = world.edge.ports;
    const client = new TestClient(world.platform);
    for (let opened = 0; opened < 16; opened += 1) await client.connect(tunnel);
    await until(() => tunnelsOf(world) === 16);
    assert.equal(await refusalOf(client.connect(tunnel)), 'EDGE_TUNNELS_FULL');
    const other = new TestClient(world.platform);
    await other.connect(tunnel);
    const later = new TestClient(world.platform, { key: client.key, bootId: 'boot-two' });
    await later.connect(tunnel);
    await until(() => tunnelsOf(world) === 2);
    for (const each of [client, other, later]) each.close();
  });
});

test('connections that never finish their handshake do not keep a client out', async () => {
  await withWorld(
    async (world) => {
      const silent = Array.from({ length: 40 }, () => connectTcp(world.edge.ports.tunnel, '127.0.0.1'));
      for (const socket of silent) socket.on('error', () => {});
      await Promise.all(silent.slice(0, 30).map((socket) => ended(socket)));
      const client = new TestClient(world.platform);
      await client.connect(world.edge.ports.tunnel);
      assert.equal(await exchange(world.call(), 'x'), 'x');
      for (const socket of silent) socket.destroy();
      client.close();
    },
    { options: { handshakesMax: 10, handshakesPerAddressMax: 10 } },
  );
});

test('an address that begins handshakes and says no more does not keep a client of another one out', async () => {
  await withWorld(
    async (world) => {
      const { tunnel: port } = world.edge.ports;
      const hello = await helloOf({ servername: 'localhost' });
      const strangers = Array.from({ length: 40 }, () =>
        connectTcp({ port, host: '127.0.0.1', localAddress: '127.0.0.2' }),
      );
      let refused = 0;
      for (const socket of strangers) {
        socket.write(hello);
        void ended(socket).then(() => (refused += 1));
      }
      // All but two at work, and as many as may wait.
      await until(() => refused >= 28);
      const client = new TestClient(world.platform);
      await client.connect(port);
      assert.equal(await exchange(world.call(), 'x'), 'x');
      for (const socket of strangers) socket.destroy();
      client.close();
    },
    { options: { handshakesAtOnce: 2, handshakesMax: 10 } },
  );
});

test('a connection that shows nothing is cut after the handshake’s time', async () => {
  await withWorld(
    async (world) => {
      const silent = connectTcp(world.edge.ports.tunnel, '127.0.0.1');
      await ended(silent);
      await untilMetric(world, /postern_edge_handshake_evictions_total\{port="tunnel",cause="timeout"\} 1/);
    },
    { options: { handshakeTimeoutMs: 50 } },
  );
});

test('a connection from the port of one that was reset just before is cut after the handshake’s time', async () => {
  await withWorld(
    async (world) => {
      const from = { port: world.edge.ports.tunnel, host: '127.0.0.1', localPort: await freePort() };
      let last = connectTcp(from);
      for (let times = 0; times < 20; times += 1) {
        await once(last, 'connect');
        // Both are seen by the node in one turn.
        last.resetAndDestroy();
        last = connectTcp(from);
      }
      await ended(last);
    },
    { options: { handshakeTimeoutMs: 200 } },
  );
});

test('garbage and plain HTTP on the tunnel port are cut', async () => {
  await withWorld(async (world) => {
    for (const text of [
      'GET / HTTP/1.1\r\nhost: x\r\n\r\n',
      '\x16\x03\x01\xff\xff garbage',
      'x'.repeat(100_000),
    ]) {
      const socket = connectTcp(world.edge.ports.tunnel, '127.0.0.1');
      socket.end(text);
      await ended(socket);
    }
    await untilMetric(world, /postern_edge_handshakes\{port="tunnel"\} 0/);
  });
});

test('a connection that the system cannot accept is logged, and the tunnel port goes on', async (t) => {
  const { logger, lines, fail } = portErrors(t);
  await withWorld(
    async (world) => {
      fail(world.edge.ports.tunnel, 'accept ENFILE');
      assert.equal(lines.filter((line) => line.includes('accept ENFILE')).length, 1);
      const client = new TestClient(world.platform);
      await client.connect(world.edge.ports.tunnel);
      client.close();
    },
    { logger },
  );
});

test('when a token is revoked its tunnels close, and its streams move to a tunnel of another', async () => {
  await withWorld(async (world) => {
    const { tunnel } = world.edge.ports;
    const client = new TestClient(world.platform);
    await client.connect(tunnel);
    const caller = await running(world);
    const other = await client.connect(tunnel, { tok: 't2' });
    const down = once(client.events, 'down');
    world.platform.setPolicy(
      policyOf({ revokedTokens: [{ tokenId: 't1', revokedAt: '2026-01-01T00:00:00Z' }] }),
    );
    await down;
    await until(() => tunnelsOf(world) === 1);
    assert.equal(await exchange(caller, 'b'), 'b');
    assert.equal(other.closed, false);
    client.close();
  });
});

test('when no valid tunnel is left, the streams of a revoked token end at once', async () => {
  await withWorld(async (world) => {
    const client = new TestClient(world.platform);
    await client.connect(world.edge.ports.tunnel);
    await client.connect(world.edge.ports.tunnel);
    const caller = await running(world);
    world.platform.setPolicy(
      policyOf({ revokedTokens: [{ tokenId: 't1', revokedAt: '2026-01-01T00:00:00Z' }] }),
    );
    assert.equal(await ended(caller), 'ECONNRESET');
    await until(() => tunnelsOf(world) === 0);
    assert.equal(statusOf(world).fronts.shown[0]?.lastRefusals[0]?.code, 'EDGE_TOKEN_REVOKED');
    assert.equal(await refusalOf(client.connect(world.edge.ports.tunnel)), 'EDGE_TOKEN_REVOKED');
    client.close();
  });
});

test('when a gateway is disabled its tunnels close and its streams are reset', async () => {
  await withWorld(async (world) => {
    const client = new TestClient(world.platform);
    await client.connect(world.edge.ports.tunnel);
    const caller = await running(world);
    world.platform.setPolicy(policyOf({ enabled: false }));
    assert.equal(await ended(caller), 'ECONNRESET');
    await until(() => tunnelsOf(world) === 0);
    assert.equal(await refusalOf(client.connect(world.edge.ports.tunnel)), 'EDGE_GATEWAY_DISABLED');
    client.close();
  });
});

test('another start of a client ends the former’s streams and tunnels at once', async () => {
  await withWorld(async (world) => {
    const former = new TestClient(world.platform);
    await former.connect(world.edge.ports.tunnel);
    const caller = await running(world);
    const later = new TestClient(world.platform, { key: former.key, bootId: 'boot-two' });
    await later.connect(world.edge.ports.tunnel);
    assert.equal(await ended(caller), 'ECONNRESET');
    await until(() => tunnelsOf(world) === 1);
    assert.equal(await exchange(world.call(), 'x'), 'x');
    assert.equal(later.streams.length, 1);
    former.close();
    later.close();
  });
});

test('a client that an operator ends is told, and its streams are reset', async () => {
  await withWorld(async (world) => {
    const client = new TestClient(world.platform);
    await client.connect(world.edge.ports.tunnel);
    const caller = await running(world);
    const told = once(client.events, 'control');
    world.platform.endClient('g1', client.clientId, 'moved away');
    assert.deepEqual(await told, [{ kind: 'end', reason: 'moved away' }]);
    assert.equal(await ended(caller), 'ECONNRESET');
    await until(() => tunnelsOf(world) === 0);
    client.close();
  });
});

test('with every owner gone, tickets are verified and callers served as before', async () => {
  await withWorld(async (world) => {
    const first = new TestClient(world.platform);
    await first.connect(world.edge.ports.tunnel);
    const caller = await running(world);
    await world.platform.stop();
    const second = new TestClient(world.platform);
    await second.connect(world.edge.ports.tunnel);
    assert.equal(await exchange(caller, 'b'), 'b');
    first.close();
    await until(() => tunnelsOf(world) === 1);
    assert.equal(await exchange(world.call(), 'x'), 'x');
    assert.equal(world.edge.ready().ready, true);
    second.close();
  });
});

test('a node that stops sends its clients away, and waits for its callers', async () => {
  await withWorld(async (world) => {
    const client = new TestClient(world.platform);
    const session = await client.connect(world.edge.ports.tunnel);
    const caller = await running(world);
    const stopped = world.edge.stop();
    assert.deepEqual(world.edge.ready().waitingFor, ['draining']);
    await until(() => !session.usable);
    assert.equal(await exchange(caller, 'b'), 'b');
    await stopped;
    client.close();
  });
});

test('callers that do not end in the grace time are reset when the node stops', async () => {
  await withWorld(
    async (world) => {
      const client = new TestClient(world.platform);
      await client.connect(world.edge.ports.tunnel);
      const caller = await running(world);
      const stopped = world.edge.stop();
      assert.equal(await ended(caller), 'ECONNRESET');
      await stopped;
      client.close();
    },
    { options: { drainGraceMs: 20 } },
  );
});
