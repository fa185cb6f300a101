import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { type TLSSocket, connect } from 'node:tls';
import { type Authority, contextOptions, createSigningRequest, generateKey } from '@postern/tls';
import { Endpoint, TunnelError, tlsCarrier } from '@postern/tunnel';
import type { Control } from '@postern/contracts';
import type { EdgeOptions } from '../config.ts';
import type { Edge } from '../edge.ts';
import { TestClient } from '../fixture/client.ts';
import { policyOf } from '../fixture/documents.ts';
import { type World, callRunning, ended, exchange, until, withNode, withWorld } from '../fixture/node.ts';
import { passed } from '@postern/test-kit';
import { diallingLink } from './link-handshake.ts';
import { linkSilenceMsMax } from './links.ts';

interface ShownStatus {
  links: string[];
  callers: { opening: number };
  tunnels: { count: number; shown: { streams: number }[] };
}

const statusOf = (edge: Edge) => edge.status() as ShownStatus;
const linked = (edge: Edge, ...nodes: string[]) =>
  until(() => statusOf(edge).links.toSorted().join() === nodes.join());

/** `edge-1` with the front, `edge-2` with the client's only tunnel. */
async function withRelay(
  work: (world: World, second: Edge, client: TestClient) => Promise<void>,
  options: Partial<EdgeOptions> = {},
): Promise<void> {
  const inWorld = async (world: World): Promise<void> => {
    await withNode(world, { name: 'edge-2' }, async (second) => {
      await Promise.all([linked(world.edge, 'edge-2'), linked(second, 'edge-1')]);
      const client = new TestClient(world.platform);
      await client.connect(second.ports.tunnel);
      await until(() => statusOf(second).tunnels.count === 1);
      await work(world, second, client);
      client.close();
    });
  };
  await withWorld(inWorld, { options });
}

/** Until the caller's node knows of the tunnel at the other. */
async function served(world: World): Promise<void> {
  for (;;) {
    const echoed = await exchange(world.call(), 'hello').catch(() => '');
    if (echoed === 'hello') return;
  }
}

/** What the client has heard of this kind. */
function controlOf<Kind extends Control['kind']>(
  client: TestClient,
  kind: Kind,
): (Control & { kind: Kind }) | undefined {
  return (client.controls as Control[]).find((body) => body.kind === kind) as
    | (Control & { kind: Kind })
    | undefined;
}

test('a caller of a node without a tunnel is served through the node that has one, over one link for all', async () => {
  await withRelay(async (world, second, client) => {
    await served(world);
    const texts = Array.from({ length: 20 }, (_, i) => `${i} `.repeat(5_000));
    assert.deepEqual(await Promise.all(texts.map((text) => exchange(world.call(), text))), texts);
    assert.deepEqual([statusOf(world.edge).links, statusOf(second).links], [['edge-2'], ['edge-1']]);
    assert.equal(client.streams.at(-1)?.caller.address, '127.0.0.1');
  });
});

test('a client for which much is relayed is asked for a tunnel to the caller’s node, and its stream goes on over that', async () => {
  await withRelay(
    async (world, second, client) => {
      await served(world);
      const running = await callRunning(world);
      running.on('data', (bytes: Buffer) => running.write(bytes));
      running.write('b');
      const { node } = await until(() => controlOf(client, 'tunnelWanted'));
      assert.deepEqual([node.node, node.port], ['edge-1', world.edge.ports.tunnel]);
      const [stream] = client.endpoint.streams.values();
      assert.equal(stream?.session?.peer.id, 'edge-2');
      await client.connect(world.edge.ports.tunnel);
      await until(() => stream.session?.peer.id === 'edge-1');
      await once(running, 'data');
      assert.equal(statusOf(second).tunnels.shown[0]?.streams, 0);
      running.destroy();
    },
    { relayedBytesPerSecondMax: 1 },
  );
});

test('a token that is revoked ends a relayed stream at once where no other is left', async () => {
  await withRelay(async (world) => {
    await served(world);
    const running = await callRunning(world);
    const revokedTokens = [{ tokenId: 't1', revokedAt: new Date().toISOString() }];
    world.platform.setPolicy(policyOf({ revokedTokens }));
    const startedAt = performance.now();
    assert.equal(await ended(running), 'ECONNRESET');
    assert.ok(performance.now() - startedAt < 10_000);
  });
});

test('a relayed stream goes on through another node when the one in between goes', async () => {
  await withRelay(async (world, second, client) => {
    await served(world);
    await withNode(world, { name: 'edge-3', frontHost: '127.0.0.3' }, async (third) => {
      await linked(world.edge, 'edge-2', 'edge-3');
      const running = await callRunning(world);
      await client.connect(third.ports.tunnel);
      const [tunnel] = [...client.endpoint.sessions].filter(({ peer }) => peer.id === 'edge-2');
      tunnel?.destroy(new TunnelError('TUNNEL_CLOSED', 'cut by the test'));
      running.write('b');
      assert.equal(String((await once(running, 'data'))[0]), 'b');
      assert.equal(statusOf(second).tunnels.count, 0);
      running.destroy();
      client.close();
    });
  });
});

test('a caller that comes while the only tunnel is gone with its node is served when the client is at another', async () => {
  await withRelay(async (world, second, client) => {
    await served(world);
    await withNode(world, { name: 'edge-3', frontHost: '127.0.0.3' }, async (third) => {
      await linked(world.edge, 'edge-2', 'edge-3');
      const [tunnel] = client.endpoint.sessions;
      tunnel?.destroy(new TunnelError('TUNNEL_CLOSED', 'cut by the test'));
      await second.stop();
      await linked(world.edge, 'edge-3');
      const echoed = exchange(world.call(), 'hello');
      await until(() => statusOf(world.edge).callers.opening === 1);
      await client.connect(third.ports.tunnel);
      assert.equal(await echoed, 'hello');
      client.close();
    });
  });
});

test('a link is taken only from a node that the cluster’s CA names, and only from whom it is waited for', async () => {
  await withWorld(async ({ platform, edge }) => {
    const { ports } = edge;
    const foreign = await import('@postern/tls').then(async ({ createAuthority, loadAuthority }) =>
      loadAuthority(await createAuthority({ commonName: 'Foreign CA' })),
    );
    const cases: [who: string, authority: Authority | null, name: string, says: string, code: RegExp][] = [
      ['nobody', null, '', 'edge-0', /TUNNEL_CARRIER_CLOSED|ECONNRESET|CERTIFICATE_REQUIRED/],
      [
        'another CA',
        foreign,
        'edge-0.node.postern.internal',
        'edge-0',
        /TUNNEL_CARRIER_CLOSED|ECONNRESET|UNKNOWN_CA/,
      ],
      ['a service', platform.cluster, 'edge-0.service.postern.internal', 'edge-0', /EDGE_LINK_IDENTITY/],
      ['another node', platform.cluster, 'edge-00.node.postern.internal', 'edge-0', /EDGE_LINK_IDENTITY/],
      ['a higher name', platform.cluster, 'edge-2.node.postern.internal', 'edge-2', /EDGE_LINK_REFUSED/],
      ['itself', platform.cluster, 'edge-1.node.postern.internal', 'edge-1', /EDGE_LINK_REFUSED/],
    ];
    for (const [who, authority, name, says, code] of cases) {
      const outcome = await dial(ports.link, platform.cluster, authority, name, says);
      assert.match(outcome, code, who);
      assert.deepEqual(statusOf(edge).links, [], who);
    }
    const right = await dial(
      ports.link,
      platform.cluster,
      platform.cluster,
      'edge-0.node.postern.internal',
      'edge-0',
    );
    assert.equal(right, 'up');
  });
});

test('a link is up while anything comes over it, though beats are late behind bulk on a slow way', async () => {
  await withWorld(async ({ platform, edge }) => {
    const name = 'edge-0.node.postern.internal';
    const outcome = await dial(
      edge.ports.link,
      platform.cluster,
      platform.cluster,
      name,
      'edge-0',
      async () => {
        // A PING each second, and no beat.
        await passed(linkSilenceMsMax + 2_000);
        assert.deepEqual(statusOf(edge).links, ['edge-0']);
      },
    );
    assert.equal(outcome, 'up');
  });
});

/** Dials a link by hand; resolves with what came of it, after `whileUp`. */
async function dial(
  port: number,
  cluster: Authority,
  authority: Authority | null,
  name: string,
  says: string,
  whileUp: () => Promise<void> = async () => {},
): Promise<string> {
  const keyPem = await generateKey();
  const csrPem = await createSigningRequest({ keyPem, commonName: says, names: [name || 'x'] });
  const notAfter = new Date(Date.now() + 3_600_000);
  const chainPem = await authority?.issue({ csrPem, names: [name], addresses: [], usage: 'both', notAfter });
  const shown = chainPem === undefined ? {} : { chainPem, keyPem };
  const trust = contextOptions({ ...shown, caPem: cluster.certificatePem, tunnel: true });
  const socket: TLSSocket = connect({
    ...trust,
    port,
    host: '127.0.0.1',
    servername: 'edge-1.node.postern.internal',
  });
  const self = { id: says, bootId: 'boot-of-test' };
  const endpoint = new Endpoint({ self, limits: { keepaliveIntervalMs: 1_000 } });
  try {
    await once(socket, 'secureConnect');
    await endpoint.connect(
      tlsCarrier(socket),
      diallingLink({ node: says, bootId: 'boot-of-test' }, 'edge-1'),
    );
    await whileUp();
    return 'up';
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    const { code = '', detail = '' } = error as { code?: string; detail?: string };
    return `${code} ${detail}`;
  } finally {
    endpoint.close();
    socket.destroy();
  }
}
