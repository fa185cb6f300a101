/** Where a balancer learns of its nodes: its settings, or the admin API. */
import { ExitCode } from '@postern/config';
import { ExitError } from '@postern/telemetry';
import { fetchNodeNames } from './admin-nodes.ts';
import type { BalancerOptions } from './config.ts';
import { BalancerError } from './errors.ts';
import { type NodeEntry, nodeList, nodesByName } from './node-list.ts';

/** Asks for the nodes that there are now. */
export type NodeSource = (signal: AbortSignal) => Promise<readonly NodeEntry[]>;

/** Whom to ask by these settings; throws `ExitError` (78) when they say neither nodes nor whom. */
export function demandNodeSource(options: BalancerOptions): NodeSource {
  try {
    return nodeSource(options);
  } catch (error) {
    if (!(error instanceof BalancerError)) throw error;
    throw new ExitError(ExitCode.configuration, `${error.code}: ${error.message}`, { cause: error });
  }
}

function nodeSource(options: BalancerOptions): NodeSource {
  const { adminUrl, adminKey, adminCaFile, nodes, nodeAddress, nodeWorkers } = options;
  if (adminUrl !== undefined && adminKey !== undefined) {
    const place = { url: adminUrl, key: adminKey, caFile: adminCaFile };
    return async (signal) => nodesByName(await fetchNodeNames(place, signal), nodeAddress, nodeWorkers);
  }
  const listed = nodeList(Object.entries(nodes).map(([name, address]) => ({ name, address })));
  if (listed.length > 0 && adminUrl === undefined) return () => Promise.resolve(listed);
  throw new BalancerError(
    'BALANCER_NODES_MISSING',
    'either --nodes says which nodes there are, or --admin-url and --admin-key-file whom to ask',
  );
}
