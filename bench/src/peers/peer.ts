// A peer is a tunnel that can be started from its own binaries, as its users run it. It is told where the
// resources are, starts its two ends on a stage, and says where callers find the resources now. To add one:
// a file here, and a line in index.ts.

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Group } from '../figure.ts';
import type { ResourceName, Stage } from '../stage.ts';

/** A tunnel that can be measured. */
export interface Peer {
  readonly name: string;
  /** How it is run, and what encrypts it; null: nothing does, and it is never compared with. */
  readonly encryption: string | null;
  /** Measured only where it is named. */
  readonly onRequest?: boolean;
  /** Programs that must be found before it can be started. */
  readonly needs: readonly string[];
  /** The groups of figures that it is measured in, where those are not the groups that every tunnel is in. */
  readonly groups?: readonly Group[];
  /** Starts both ends; resolves when the fronts are listened on. */
  start(stage: Stage): Promise<Started>;
}

/** Groups of figures for which a front must do more than pass bytes on. */
export const webGroups: readonly Group[] = ['tls', 'web'];

const furtherGroups: readonly Group[] = [...webGroups, 'relay', 'idle-streams', 'idle-tunnels'];

/** Whether a peer is measured in a group. */
export function takesPart({ groups, encryption }: Peer, group: Group): boolean {
  if (groups !== undefined) return groups.includes(group);
  return !furtherGroups.includes(group) && (encryption !== null || group !== 'memory');
}

/** Fronts at the node that had the only tunnel at first, and at two that had none. */
export interface StartedNodes {
  readonly own: Fronts;
  /** A node as it is: what is much does not stay relayed. */
  readonly other: Fronts;
  /** A node that never asks for a tunnel of its own. */
  readonly relayed: Fronts;
  /** Whether the `other` node has a tunnel by now. */
  otherHasTunnel(): Promise<boolean>;
}

/** Fronts of the HTTP resource that end TLS, and that speak HTTP. */
export interface WebFronts {
  readonly tls: Front;
  readonly http: Front;
}

/** The same as ports of 127.0.0.1. */
export type WebPorts = Readonly<Record<keyof WebFronts, number>>;

/** Where callers reach a resource: a port of 127.0.0.1, or a place of its own. */
export type Front = number | { readonly host: string; readonly port: number };

/** Its address. */
export function placeOf(front: Front): { host: string; port: number } {
  return typeof front === 'number' ? { host: '127.0.0.1', port: front } : front;
}

/** The front of each resource. */
export type Fronts = Readonly<Record<ResourceName, Front>>;

/** A peer that runs. */
export interface Started {
  /** Where callers reach the resources. */
  readonly fronts: Fronts;
  /** Further fronts of the echo resource, of other gateways: where one may not have all connections that a process may. */
  readonly moreEchoes?: readonly Front[];
  /** Of a peer that is in `webGroups`. */
  readonly web?: WebFronts;
  /** The same resources at several nodes. */
  readonly nodes?: StartedNodes;
  /** Starts further tunnels that carry nothing and resolves with their number when they are up. */
  readonly addIdleTunnels?: (count: number) => Promise<number>;
}

/** The full path of a program, looked for in `$POSTERN_BENCH_PEERS`, then on the PATH; undefined when it is not there. */
export function findProgram(name: string, environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const folders = [environment['POSTERN_BENCH_PEERS'], environment['PATH'], '/usr/sbin'];
  return folders
    .flatMap((list) => list?.split(delimiter) ?? [])
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

/** As findProgram; throws when it is not there. */
export function program(name: string): string {
  const path = findProgram(name);
  if (path === undefined) throw new Error(`${name} is not on the PATH and not in $POSTERN_BENCH_PEERS`);
  return path;
}

/** A new idle client for each number, all awaited together: what most peers do for idle tunnels. */
export async function startIdleClients(
  stage: Stage,
  count: number,
  startOne: (index: number, front: number) => Promise<unknown>,
): Promise<number> {
  const fronts: number[] = [];
  for (let index = 0; index < count; index++) {
    const front = await stage.port();
    fronts.push(front);
    await startOne(index, front);
  }
  await stage.listening(fronts);
  return count;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
