import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LocatedTunnel } from '@postern/replica';
import type { Session, Stream } from '@postern/tunnel';
import { policyOf } from '../fixture/documents.ts';
import { Relays, type RelaysParts } from './relays.ts';

test('a stream and a tunnel that look for another way ask for the tunnels of their client alone', () => {
  const link = { quiet: false } as Session;
  const at = (clientId: string, bootId: string): LocatedTunnel =>
    ({ node: 'edge-2', tunnel: { clientId, bootId, tokenId: 't1' } }) as LocatedTunnel;
  const policy = policyOf();
  const relays = new Relays({
    policy: () => policy,
    linkTo: () => link,
    elsewhere: () => assert.fail('all tunnels of the gateway are copied'),
    clientElsewhere: (_, clientId) => (clientId === 'c1' ? [at('c1', 'former'), at('c1', 'boot')] : []),
    isQuiet: () => false,
  } as Partial<RelaysParts> as RelaysParts);
  const detour = (id: string, bootId: string): Session | null =>
    relays.detour({ scope: 'g1', peer: { id, bootId } } as Stream);
  assert.deepEqual([detour('c1', 'boot'), detour('c1', 'later'), detour('c2', 'boot')], [link, null, null]);
  assert.deepEqual(
    [
      relays.hasValidElsewhere('g1', { id: 'c1', bootId: 'boot' }),
      relays.hasValidElsewhere('g1', { id: 'c1', bootId: 'later' }),
    ],
    [true, false],
  );
});
