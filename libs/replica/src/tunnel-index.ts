/** Tunnels by gateway, over all nodes. */
import type { TunnelPresence } from '@postern/contracts';

/** A tunnel and the node that has it. */
export interface LocatedTunnel {
  node: string;
  tunnel: TunnelPresence;
}

/** Kept by the presence table at each change. */
export class TunnelIndex {
  readonly #gateways = new Map<string, Map<string, LocatedTunnel>>();

  change(node: string, now: TunnelPresence | null, before: TunnelPresence | null): void {
    if (before !== null) this.#remove(node, before);
    if (now === null) return;
    const tunnels = this.#gateways.get(now.gatewayId) ?? new Map<string, LocatedTunnel>();
    this.#gateways.set(now.gatewayId, tunnels.set(keyOf(node, now), { node, tunnel: now }));
  }

  of(gatewayId: string): LocatedTunnel[] {
    return [...(this.#gateways.get(gatewayId)?.values() ?? [])];
  }

  /** The gateways that have tunnels. */
  get gateways(): Iterable<string> {
    return this.#gateways.keys();
  }

  #remove(node: string, tunnel: TunnelPresence): void {
    const tunnels = this.#gateways.get(tunnel.gatewayId);
    tunnels?.delete(keyOf(node, tunnel));
    if (tunnels?.size === 0) this.#gateways.delete(tunnel.gatewayId);
  }
}

function keyOf(node: string, { tunnelId }: TunnelPresence): string {
  return JSON.stringify([node, tunnelId]);
}
