/** What the tests of presence share: tunnels, and announcers whose announcements the test carries itself. */
import { memoryBus } from '@postern/bus';
import type { TunnelPresence } from '@postern/contracts';
import { ManualClock } from './manual-clock.fixture.ts';
import { PresenceAnnouncer, type Announcement } from './presence-announcer.ts';

/** A tunnel of gateway `g`, or another. */
export function tunnel(tunnelId: string, gatewayId = 'g', address = '10.0.0.1'): TunnelPresence {
  const facts = { name: 'host', version: '1', platform: 'test' };
  const client = { clientId: `${gatewayId}_c`, bootId: 'clientboot', tokenId: null, facts, ownRules: null };
  return {
    tunnelId,
    gatewayId,
    ...client,
    transport: 'direct',
    address,
    connectedAt: '2026-01-01T00:00:00.000Z',
  };
}

/** An announcer on a bus of its own that nobody hears: what it announces goes to `onAnnounce` only. */
export function quietAnnouncer(
  node: string,
  bootId: string,
  onAnnounce: (announcement: Announcement) => void,
): PresenceAnnouncer {
  return new PresenceAnnouncer({
    bus: memoryBus(),
    node,
    bootId,
    startedAt: '2026-01-01T00:00:00.000Z',
    version: '1',
    describe: () => ({
      address: { node, zone: '', host: '127.0.0.1', port: 9000, serverName: 'localhost' },
      ready: true,
      draining: false,
    }),
    onAnnounce,
    onError: (error) => {
      throw error;
    },
    clock: new ManualClock(),
  });
}

/** Lets promises that are due go on, several steps deep. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
