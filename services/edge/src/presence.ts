/** TEMPORARY until PresenceTable and PresenceAnnouncer are in libs/replica. */
import type { NodeAddress, TunnelPresence } from '@postern/contracts';
import type { TunnelObserver } from './tunnels.ts';

/** x */
export class Presence implements TunnelObserver {
  readonly #address: () => NodeAddress;
  constructor(address: () => NodeAddress) {
    this.#address = address;
  }
  nodes(): NodeAddress[] {
    return [this.#address()];
  }
  tunnelUp(_tunnel: TunnelPresence): void {}
  tunnelDown(_id: string): void {}
}
