import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '@postern/telemetry';
import { TunnelError } from '@postern/tunnel';
import { type Tunnel, Tunnels } from './tunnels.ts';

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
