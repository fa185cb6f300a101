import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '@postern/telemetry';
import { TunnelError } from '@postern/tunnel';
import type { VerifiedClient } from './ticket-verifier.ts';
import { Tunnel, Tunnels } from './tunnels.ts';

test('the tunnels of a client are found without a look at those of the others of its gateway', () => {
  const tunnels = new Tunnels({ tunnelUp: () => {}, tunnelDown: () => {} }, silentLogger);
  let looks = 0;
  const add = (id: string, clientId: string): Tunnel => {
    const tunnel = {
      id,
      gatewayId: 'g1',
      get clientId() {
        looks += 1;
        return clientId;
      },
      facts: { name: 'host' },
      session: { transport: 'tls' },
      presence: () => null,
    } as unknown as Tunnel;
    tunnels.add(tunnel);
    return tunnel;
  };
  const [first, second] = [add('t1', 'c1'), add('t2', 'c1')];
  for (let index = 0; index < 100; index += 1) add(`o${index}`, `other${index}`);
  looks = 0;
  const ids = tunnels.ofClient('g1', 'c1').map(({ id }) => id);
  assert.deepEqual([ids, looks], [['t1', 't2'], 0]);
  for (const { session } of [first, second]) tunnels.remove(session, new TunnelError('TUNNEL_REFUSED', 'x'));
  assert.deepEqual(tunnels.ofClient('g1', 'c1'), []);
  assert.equal([...tunnels.of('g1')].length, 100);
});

test('lists that a client sends one after the other are not read before one is asked for', () => {
  let reads = 0;
  const rule = (host: string) => ({
    action: 'allow' as const,
    get host() {
      reads += 1;
      return host;
    },
  });
  const client = {
    hello: { bootId: 'b', facts: {}, ownRules: [rule('a')] },
    policy: { accessListRevision: 1 },
  };
  const tunnel = new Tunnel({} as never, {} as never, 't', client as unknown as VerifiedClient);
  for (const host of ['b', 'c']) tunnel.setOwnRules([rule(host) as never]);
  assert.equal(reads, 0);
  assert.notEqual(tunnel.ownList, null);
  const readsOfOne = reads;
  assert.ok(readsOfOne > 0);
  assert.notEqual(tunnel.ownList, null);
  assert.equal(reads, readsOfOne);
});
