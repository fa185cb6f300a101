/** Tunnels by gateway and by client, over all nodes. */
import type { TunnelPresence } from '@postern/contracts';

/** A tunnel and the node that has it. */
export interface LocatedTunnel {
  node: string;
  tunnel: TunnelPresence;
}

type Groups = Map<string, Map<string, LocatedTunnel>>;

/** Kept by the presence table at each change. */
export class TunnelIndex {
  readonly #gateways: Groups = new Map();
  readonly #clients: Groups = new Map();

  change(node: string, now: TunnelPresence | null, before: TunnelPresence | null): void {
    if (before !== null) {
      const key = keyOf(node, before);
      remove(this.#gateways, before.gatewayId, key);
      remove(this.#clients, clientOf(before), key);
    }
    if (now === null) return;
    const key = keyOf(node, now);
    const located = { node, tunnel: now };
    put(this.#gateways, now.gatewayId, key, located);
    put(this.#clients, clientOf(now), key, located);
  }

  of(gatewayId: string): LocatedTunnel[] {
    return [...(this.#gateways.get(gatewayId)?.values() ?? [])];
  }

  /** Costs as much as the client has tunnels, however many its gateway has. */
  ofClient(gatewayId: string, clientId: string): LocatedTunnel[] {
    return [...(this.#clients.get(clientOf({ gatewayId, clientId }))?.values() ?? [])];
  }

  /** The gateways that have tunnels. */
  get gateways(): Iterable<string> {
    return this.#gateways.keys();
  }
}

function put(groups: Groups, group: string, key: string, located: LocatedTunnel): void {
  const tunnels = groups.get(group);
  if (tunnels === undefined) groups.set(group, new Map([[key, located]]));
  else tunnels.set(key, located);
}

function remove(groups: Groups, group: string, key: string): void {
  const tunnels = groups.get(group);
  tunnels?.delete(key);
  if (tunnels?.size === 0) groups.delete(group);
}

function keyOf(node: string, { tunnelId }: TunnelPresence): string {
  return JSON.stringify([node, tunnelId]);
}

function clientOf({ gatewayId, clientId }: Pick<TunnelPresence, 'gatewayId' | 'clientId'>): string {
  return JSON.stringify([gatewayId, clientId]);
}
