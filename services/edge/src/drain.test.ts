import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LocatedTunnel } from '@postern/replica';
import { silentLogger } from '@postern/telemetry';
import { Drain, type DrainParts } from './drain.ts';
import { optionsOf } from './fixture/node.ts';
import type { Tunnel, Tunnels } from './client/tunnels.ts';

const other = { node: 'edge-2', zone: '', host: 'h', port: 9000, serverName: 'edge-2' };

/** A node with so many clients of one gateway; each has moved to the other node as soon as it is told. */
function drainedNode(clients: number): { node: DrainParts; told: string[] } {
  const told: string[] = [];
  const tunnels = Array.from({ length: clients }, (_, index) => {
    const tunnel = {
      gatewayId: 'g1',
      clientId: `c${index}`,
      bootId: 'boot',
      usable: true,
      session: {
        closed: false,
        goAway: () => {},
        sendControl: () => {
          told.push(tunnel.clientId);
          tunnel.usable = false;
        },
      },
    };
    return tunnel as unknown as Tunnel & { usable: boolean };
  });
  const none = { size: 0, drain: () => Promise.resolve(), close: () => {} };
  const node = {
    options: optionsOf(),
    logger: silentLogger,
    endpoint: { resetRelayed: () => {} },
    tunnels: { all: () => tunnels, size: tunnels.length } as unknown as Tunnels,
    callers: none,
    cloudStreams: none,
    presence: {
      nodes: () => [other],
      elsewhere: () => assert.fail('all tunnels of the gateway are copied'),
      clientElsewhere: (_: string, clientId: string) =>
        [{ node: other.node, tunnel: { clientId, bootId: 'boot' } }] as LocatedTunnel[],
    },
    serving: () => false,
    closeFronts: () => {},
  };
  return { node: node as unknown as DrainParts, told };
}

test('a drain asks where each client has tunnels, not where all of its gateway have', async () => {
  const { node, told } = drainedNode(3);
  await new Drain(node).run();
  assert.deepEqual(told, ['c0', 'c1', 'c2']);
});

test('a drain tells its clients in groups, so that the node does not stand still for all of them', async () => {
  const { node, told } = drainedNode(600);
  let toldFirst = 0;
  setImmediate(() => (toldFirst = told.length));
  await new Drain(node).run();
  assert.ok(toldFirst > 0 && toldFirst < 600, `${toldFirst} were told at once`);
  assert.equal(told.length, 600);
});
