/**
 * Who is where in a cluster: addresses and ports, decided once at its start and kept over restarts of its parts.
 *
 *   NET.1 … NET.99     nodes, all with the same connect, HTTP, tunnel and ops port; their workers ten ports apart
 *   NET.101 … NET.104  router, acl, certstore, admin
 *   NET.111 …          NATS servers
 *   NET.121            MongoDB-wire server
 *   NET.253            the control port of `pnpm cluster`
 *   NET.254            the lock of the net
 *
 * The net is this cluster's alone, so ports are as documented unless somebody listens on them on every address.
 */
import type { LoopbackNet } from '../network/loopback-net.ts';
import { freePort, isFree } from '@postern/test-kit';

/** What a process of the cluster is. */
export type PartKind = 'edge' | 'router' | 'acl' | 'certstore' | 'admin' | 'nats' | 'mongodb';

/** The services that the cluster has one of. */
const singleServices = ['router', 'acl', 'certstore', 'admin'] as const;

/** Where one service listens. */
export interface Place {
  readonly name: string;
  readonly kind: PartKind;
  readonly address: string;
  readonly opsPort: number;
  /** Of a node that is one of several processes on its address. */
  readonly worker?: { readonly node: string; readonly number: number; readonly opsPortGiven: number };
}

/** All places of a cluster. */
export interface Layout {
  /** Processes of each node's address. */
  readonly workers: number;
  readonly edges: readonly Place[];
  readonly services: readonly Place[];
  readonly natsAddresses: readonly string[];
  readonly mongodbAddress: string;
  readonly connectPort: number;
  readonly httpPort: number;
  readonly tunnelPort: number;
  readonly linkPort: number;
  readonly adminPort: number;
  readonly frontPortFirst: number;
  readonly frontPortLast: number;
}

/** How many nodes, workers of each, and NATS servers, and where fronts may be. */
export interface LayoutOptions {
  readonly nodes: number;
  readonly workers?: number;
  readonly nats: number;
  readonly frontPortFirst: number;
  readonly frontPortLast: number;
}

/** Nodes that a net has addresses for. */
export const nodesMax = 99;
/** Workers of each node. */
export const workersMax = 16;
/** NATS servers that it has addresses for. */
export const natsMax = 9;

/** The edge's own default for `workerPortStep`. */
const workerPortStep = 10;

/** Lays a cluster out on a net. */
export async function layOut(net: LoopbackNet, options: LayoutOptions): Promise<Layout> {
  const nodeAddresses = count(options.nodes).map((n) => net.address(n));
  const workers = options.workers ?? 1;
  const steps = count(workers).map((n) => n * workerPortStep);
  const nodeOpsPort = await commonPort(nodeAddresses, 9101, steps);
  const edges = nodeAddresses.flatMap((address, index) =>
    edgePlaces(`edge-${index + 1}`, address, nodeOpsPort, workers),
  );
  const place = async (kind: (typeof singleServices)[number], n: number): Promise<Place> => {
    return { name: kind, kind, address: net.address(n), opsPort: await freePort(net.address(n)) };
  };
  const services = await Promise.all(singleServices.map((kind, index) => place(kind, 101 + index)));
  return {
    workers,
    edges,
    services,
    natsAddresses: count(options.nats).map((n) => net.address(110 + n)),
    mongodbAddress: net.address(121),
    connectPort: await commonPort(nodeAddresses, 8443),
    httpPort: await commonPort(nodeAddresses, 8080),
    tunnelPort: await commonPort(nodeAddresses, 9000, steps),
    linkPort: await commonPort(nodeAddresses, 9001, steps),
    adminPort: await commonPort([net.address(104)], 7443),
    frontPortFirst: options.frontPortFirst,
    frontPortLast: options.frontPortLast,
  };
}

/** The port of a process where a node has that one: its workers' are steps apart. */
export function ownPort({ worker }: Place, port: number): number {
  return port + ((worker?.number ?? 1) - 1) * workerPortStep;
}

/** The processes of one node: itself, or its workers with the ports that the edge gives them. */
function edgePlaces(node: string, address: string, opsPort: number, workers: number): Place[] {
  if (workers === 1) return [{ name: node, kind: 'edge', address, opsPort }];
  return count(workers).map((number) => ({
    name: `${node}.${number}`,
    kind: 'edge',
    address,
    opsPort: opsPort + number * workerPortStep,
    worker: { node, number, opsPortGiven: opsPort },
  }));
}

/** The preferred port where all addresses have it and those `steps` above it free, another that they all have where not. */
async function commonPort(
  addresses: readonly string[],
  preferred: number,
  steps: readonly number[] = [],
): Promise<number> {
  for (let port = preferred; ; port = await freePort(addresses[0])) {
    const ports = [port, ...steps.map((step) => port + step)];
    const free = await Promise.all(
      addresses.flatMap((address) => ports.map((each) => isFree(address, each))),
    );
    if (free.every(Boolean)) return port;
  }
}

function count(n: number): number[] {
  return Array.from({ length: n }, (_, index) => index + 1);
}
