/** Where a resource is: access by name, the name's addresses, access by address. */
import { type AccessDecision, type AccessTarget, comparedName } from '@postern/access';
import type { Deadline } from './deadline.ts';
import type { ResourceHosts } from './hosts.ts';
import {
  type DialingEnd,
  type Place,
  type ResourceError,
  deniedFault,
  resolveFault,
} from './resource-error.ts';
import { type StepListener, takeStep } from './step.ts';

/** Who may reach what: asked on the host as configured, then on each address that it resolved to. */
export interface ResourceGuard {
  decide(target: AccessTarget): AccessDecision;
  /** A denial on that address; null when there is none. */
  denialOf(target: AccessTarget, address: string): AccessDecision | null;
  /** Why a proxy on the way may not be used; null when it may. Where there is no such method, every one may. */
  denialOfProxy?(proxy: AccessTarget): AccessDecision | null;
  /**
   * Why an address may not be dialled that the destination gives for a name; null when it may. Such an address is the
   * platform's choice, so an owner's list must allow it as it is. Where there is no such method, all may.
   */
  denialOfGiven?(target: AccessTarget): AccessDecision | null;
  /** The same of an address that the proxy resolved to. */
  denialOfProxyAddress?(proxy: AccessTarget, address: string): AccessDecision | null;
}

/** What decides and resolves. */
export interface FindingParts {
  readonly guard: ResourceGuard;
  readonly hosts: ResourceHosts;
  readonly end: DialingEnd;
  readonly onStep?: StepListener | undefined;
}

/** Addresses of a target that may be dialled, and the faults of those that may not. */
export interface Reachable {
  readonly addresses: readonly string[];
  readonly faults: ResourceError[];
}

/** What the access lists are asked about a place. */
export function askedOf({ host, port, somePath }: Pick<Place, 'host' | 'port' | 'somePath'>): AccessTarget {
  return somePath === true ? { host, port, somePath } : { host, port };
}

/** Asks the access list for the host as configured. Rejects with ResourceError. */
export function askByName(parts: FindingParts, place: Place): Promise<AccessDecision> {
  const { host, port } = place;
  return takeStep(
    parts.onStep,
    'access list',
    () => {
      const decision = parts.guard.decide(askedOf(place));
      if (!decision.allowed) throw deniedFault(parts.end, { host, port }, decision);
      return decision;
    },
    ({ reason }) => `${host}:${port} is allowed by ${reason}`,
  );
}

/** Resolves, and asks by address. Rejects with ResourceError, or the signal's reason. */
export async function findResource(
  parts: FindingParts,
  place: Place,
  deadline: Deadline,
  signal: AbortSignal,
): Promise<Reachable> {
  const { host, port } = place;
  const given = givenAddress(parts, place);
  const found = await takeStep(
    parts.onStep,
    'resolve',
    () => resolveName(parts, place, deadline, signal),
    (all) =>
      `${host} is ${all.join(', ') || 'without an address'}${given === null ? '' : ', as its destination says'}`,
  );
  const addresses: string[] = [];
  const faults: ResourceError[] = [];
  for (const address of found) {
    const denial =
      parts.guard.denialOf(askedOf(place), address) ??
      (given === null ? null : (parts.guard.denialOfGiven?.({ host: given, port }) ?? null));
    if (denial === null) addresses.push(address);
    else faults.push(deniedFault(parts.end, { host, port }, denial));
  }
  return { addresses, faults };
}

/** The address that the destination gives for the name; null where it gives none, or this end has one of its own. */
export function givenAddress(
  { hosts }: Pick<FindingParts, 'hosts'>,
  { host, hosts: given }: Pick<Place, 'host' | 'hosts'>,
): string | null {
  if (given === undefined || hosts.knows?.(host) !== undefined) return null;
  const key = comparedName(host);
  return Object.entries(given).find(([name]) => comparedName(name) === key)?.[1] ?? null;
}

/** Every address of a name. Rejects with ResourceError, or the signal's reason. */
export async function resolveName(
  { hosts, end }: Pick<FindingParts, 'hosts' | 'end'>,
  place: Place,
  deadline: Deadline,
  signal: AbortSignal,
): Promise<string[]> {
  const given = givenAddress({ hosts }, place);
  if (given !== null) return [given];
  try {
    return await deadline.run(signal, (limited) => hosts.resolve(place.host, limited));
  } catch (error) {
    signal.throwIfAborted();
    throw resolveFault(end, place, error, deadline.passed);
  }
}
