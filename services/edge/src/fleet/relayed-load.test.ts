import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeAddress } from '@postern/contracts';
import { silentLogger } from '@postern/telemetry';
import type { ProcessName, Session } from '@postern/tunnel';
import type { Tunnel } from '../client/tunnels.ts';
import { RelayedLoad, type RelayedLoadParts } from './relayed-load.ts';

const client: ProcessName = { id: 'c1', bootId: 'boot' };
const boundBytes = 1_000;

/** A node with one link, whose streams a test moves bytes through. */
class World {
  now = 0;
  draining = false;
  readonly asked: unknown[] = [];
  readonly moved: string[] = [];
  readonly streams: { scope: string; peer: ProcessName; bytesReceived: number; bytesSent: number }[] = [];
  readonly link = {
    peer: { id: 'edge-2' },
    sendControl: (body: unknown) => this.asked.push(body),
  } as unknown as Session;
  readonly load: RelayedLoad;

  constructor(change: Partial<RelayedLoadParts> = {}) {
    this.load = new RelayedLoad({
      endpoint: {
        streamsOver: () => this.streams,
        moveOffRelays: (scope, id) => void this.moved.push(`${scope}/${id}`),
      },
      bytesPerSecondMax: boundBytes,
      links: () => [this.link],
      nodes: () => [],
      tunnelOf: () => null,
      draining: () => this.draining,
      logger: silentLogger,
      now: () => this.now,
      ...change,
    });
  }

  open(peer: ProcessName = client, scope = 'g1') {
    const stream = { scope, peer, bytesReceived: 0, bytesSent: 0 };
    this.streams.push(stream);
    return stream;
  }

  second(): void {
    this.now += 1_000;
    this.load.look();
  }
}

const wanted = { kind: 'tunnelWanted', gateway: 'g1', client };

test('a client for which more than the bound is relayed in two seconds running is asked, by the node that relays', () => {
  const world = new World();
  const [one, other] = [world.open(), world.open()];
  world.second();
  for (const expected of [[], [wanted]]) {
    // Half of it each way, and no stream alone is much.
    one.bytesReceived += boundBytes / 2;
    other.bytesSent += boundBytes / 2;
    world.second();
    assert.deepEqual(world.asked, expected);
  }
});

test('what is little, comes once, or ends at other clients is left to the relays', () => {
  const world = new World();
  const little = world.open();
  const burst = world.open({ id: 'c2', bootId: 'boot' });
  const others = Array.from({ length: 20 }, (_, i) => world.open({ id: `many-${i}`, bootId: 'boot' }));
  world.second();
  for (let second = 0; second < 10; second += 1) {
    little.bytesSent += boundBytes - 1;
    if (second % 2 === 0) burst.bytesSent += 100 * boundBytes;
    for (const other of others) other.bytesSent += boundBytes / 10;
    world.second();
  }
  assert.deepEqual(world.asked, []);
});

test('what a stream had carried before it came to a relay is no reason to ask', () => {
  const world = new World();
  world.second();
  world.open().bytesSent = 1_000 * boundBytes;
  world.second();
  world.second();
  assert.deepEqual(world.asked, []);
});

test('streams that are short and many count as one that is long', () => {
  const world = new World();
  world.second();
  for (const expected of [[], [wanted]]) {
    world.streams.length = 0;
    for (let count = 0; count < 10; count += 1) world.open().bytesReceived = boundBytes / 10;
    world.second();
    assert.deepEqual(world.asked, expected);
  }
});

test('a client is asked once a minute, also where its tunnel comes and goes; when it is up its streams leave the relays', () => {
  const world = new World();
  const stream = world.open();
  const busySeconds = (count: number): void => {
    for (let second = 0; second < count; second += 1) {
      stream.bytesSent += boundBytes;
      world.second();
    }
  };
  world.second();
  busySeconds(61);
  assert.equal(world.asked.length, 1);
  busySeconds(1);
  assert.deepEqual([world.asked.length, world.load.asked], [2, 2]);
  const tunnelUp = (bootId: string): void =>
    world.load.handleTunnel({ gatewayId: 'g1', clientId: client.id, bootId } as Tunnel);
  tunnelUp('former');
  assert.deepEqual(world.moved, []);
  tunnelUp(client.bootId);
  assert.deepEqual(world.moved, ['g1/c1']);
  busySeconds(50);
  assert.equal(world.asked.length, 2, 'it has broken at once');
  world.now += 60_000;
  world.second();
  tunnelUp(client.bootId);
  assert.deepEqual(world.moved, ['g1/c1'], 'a tunnel that was not asked for moves nothing');
});

test('a node that drains asks for none', () => {
  const world = new World();
  const stream = world.open();
  world.draining = true;
  for (let second = 0; second < 4; second += 1) {
    world.second();
    stream.bytesSent += boundBytes;
  }
  assert.deepEqual(world.asked, []);
});

test('so many clients at once are asked in turns', () => {
  const world = new World();
  const streams = Array.from({ length: 40 }, (_, i) => world.open({ id: `c${i}`, bootId: 'boot' }));
  const counts: number[] = [];
  for (let second = 0; second < 6; second += 1) {
    world.second();
    counts.push(world.asked.length);
    for (const stream of streams) stream.bytesSent += boundBytes;
  }
  assert.deepEqual(counts, [0, 0, 16, 32, 40, 40]);
});

test('the node that relays passes it on with the address that presence has, to a client that it has', () => {
  const told: unknown[] = [];
  const address: NodeAddress = { node: 'edge-1', zone: '', host: 'h', port: 9000, serverName: 's' };
  const tunnel = { session: { sendControl: (body: unknown) => told.push(body) } } as unknown as Tunnel;
  const world = new World({
    nodes: () => [address],
    tunnelOf: (gatewayId, { id }) => (gatewayId === 'g1' && id === 'c1' ? tunnel : null),
  });
  world.load.handleWanted('edge-9', 'g1', client);
  world.load.handleWanted('edge-1', 'g2', client);
  assert.deepEqual(told, []);
  world.load.handleWanted('edge-1', 'g1', client);
  assert.deepEqual(told, [{ kind: 'tunnelWanted', node: address }]);
});
