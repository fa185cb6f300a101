/**
 * The nodes that a balancer passes connections to. What comes in is written into haproxy's configuration, so names and
 * addresses that could be anything else there are refused.
 */
import { BalancerError } from './errors.ts';

/** A node, and where it is reached from here. */
export interface NodeEntry {
  readonly name: string;
  readonly address: string;
}

/** More are refused. */
export const nodesMax = 256;

const namePattern = /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;
const addressPattern = /^[A-Za-z0-9]([A-Za-z0-9.:_-]{0,251}[A-Za-z0-9])?$/;

/** The nodes in the order of their names; throws `BALANCER_NODES_INVALID` when one is none. */
export function nodeList(entries: Iterable<NodeEntry>): NodeEntry[] {
  const nodes = [...entries];
  if (nodes.length > nodesMax) {
    throw new BalancerError('BALANCER_NODES_INVALID', `there are more than ${nodesMax} nodes`);
  }
  for (const { name, address } of nodes) {
    if (!namePattern.test(name) || !addressPattern.test(address)) {
      throw new BalancerError(
        'BALANCER_NODES_INVALID',
        `not a node: ${JSON.stringify(name)} at ${JSON.stringify(address)}`,
      );
    }
  }
  return nodes.toSorted((one, other) => one.name.localeCompare(other.name, 'en', { numeric: true }));
}

/** Nodes whose address follows from their name; machines, where each has `workers` nodes, NAME-1 and so on. */
export function nodesByName(names: readonly string[], nodeAddress: string, workers = 1): NodeEntry[] {
  const machines = new Set(names.map((name) => machineOf(name, workers)));
  return nodeList([...machines].map((name) => ({ name, address: nodeAddress.replaceAll('{name}', name) })));
}

function machineOf(name: string, workers: number): string {
  const [, machine = '', number = ''] = /^(.+)-([1-9][0-9]?)$/.exec(name) ?? [];
  return workers > 1 && machine !== '' && Number(number) <= workers ? machine : name;
}
