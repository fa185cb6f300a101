/** Asks a node for its set, page by page (`NodeSnapshot` of the contracts says why the first page's sequence counts). */
import type { Bus } from '@postern/bus';
import { ask, nodeSnapshot, type NodeSnapshot, type TunnelPresence } from '@postern/contracts';
import { tunnelsPerNodeMax } from './presence-node.ts';
import { ReplicaError } from './replica-error.ts';

/** One page of a node's set, from whoever can bring it: the bus, or a relay link. Rejects when the signal is aborted. */
export type AskPage = (node: string, after: string | undefined, signal: AbortSignal) => Promise<NodeSnapshot>;

/** Asks over the bus. */
export function askOnBus(bus: Bus): AskPage {
  return (node, after, signal) => {
    return ask(bus, nodeSnapshot, after === undefined ? {} : { after }, { suffix: node, signal });
  };
}

/** Resolves with the whole set, as one page. Rejects when the node is another boot half-way. */
export async function fetchSnapshot(
  node: string,
  askPage: AskPage,
  signal: AbortSignal,
): Promise<NodeSnapshot> {
  const first = await askPage(node, undefined, signal);
  const tunnels: TunnelPresence[] = [...first.tunnels];
  for (let { more } = first; more && tunnels.length <= tunnelsPerNodeMax;) {
    const page = await askPage(node, tunnels.at(-1)?.tunnelId, signal);
    if (page.bootId !== first.bootId || (page.more && page.tunnels.length === 0)) {
      throw new ReplicaError(
        'REPLICA_SNAPSHOT_CHANGED',
        `${node} was started again while its tunnels were asked for`,
      );
    }
    tunnels.push(...page.tunnels);
    ({ more } = page);
  }
  return { ...first, tunnels, more: false };
}
