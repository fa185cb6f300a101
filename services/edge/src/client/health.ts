/**
 * The health of resources as clients see it. This node tells its clients what to check, hears what they found, tells the
 * other nodes, and hears from those; so a choice among clients knows of all of them. What is not known counts as well:
 * a client that cannot reach the resource says so when it is tried.
 *
 *   routes ──check──► clients with tunnels here ──health──► findings ──health.changed──► other nodes
 */
import type { Bus, Subscription } from '@postern/bus';
import {
  type Control,
  type HealthCheck,
  type HealthFinding,
  type Route,
  announce,
  dialTargetOf,
  featuresLacking,
  featuresToDial,
  healthChanged,
  healthChecksMax,
  healthFindingsMax,
  listen,
} from '@postern/contracts';
import { takePage } from '@postern/replica';
import type { Logger } from '@postern/telemetry';
import { Findings } from './findings.ts';
import { Portions } from './portions.ts';
import type { Tunnel, Tunnels } from './tunnels.ts';
import { outdated } from '../upstream.ts';

/** Findings are told again each minute; what was not heard for this long counts no more. */
const findingLifeMs = 150_000;
/** Links come up together when a node starts; all are told by one telling. */
const tellAgainMs = 250;
/** What clients found is told to the other nodes at once, then no more often than this, so that none can flood them. */
const tellDelayMs = 1_000;
/** Findings of a gateway that are told at a time, each with a cause of a kilobyte at most. */
export const findingsToldMax = 2_048;

/** Destinations that are told as failing at most. */
const failingMax = 1_000;

/** A destination that nobody reaches, as far as this node was told. */
export interface FailingDestination {
  readonly id: string;
  readonly gatewayId: string;
  /** RFC 3339. */
  readonly since: string;
}

/** What it needs of the node. */
export interface HealthParts {
  readonly bus: Bus;
  readonly node: string;
  readonly tunnels: Tunnels;
  readonly logger: Logger;
  readonly now?: () => number;
}

/** One for the node. */
export class Health {
  readonly #parts: HealthParts;
  readonly #now: () => number;
  readonly #findings = new Findings();
  #willTell = false;
  /** Destinations of which a client has found what the other nodes were not told yet. */
  readonly #untold = new Map<string, Set<string>>();
  #tellTimer: NodeJS.Timeout | null = null;
  /** The checks of each gateway's destinations, as they are told to clients. */
  readonly #checks = new Map<string, Map<string, HealthCheck>>();

  constructor(parts: HealthParts) {
    this.#parts = parts;
    this.#now = parts.now ?? Date.now;
  }

  /** Hears what other nodes hear. */
  listen(): Subscription {
    const { bus, node, logger } = this.#parts;
    return listen(
      bus,
      healthChanged,
      (notice) => {
        if (notice.node !== node) this.#keep(notice.gatewayId, notice.clientId, notice.items);
      },
      (error) => logger.debug({ error }, 'a notice of health could not be used'),
    );
  }

  /** A destination is new or another, or gone. */
  handleRoute(destinationId: string, gatewayId: string, route: Route | undefined): void {
    const checks = this.#checks.get(gatewayId) ?? new Map<string, HealthCheck>();
    const isChecked = route?.kind === 'on-premises' && route.enabled;
    const check = isChecked ? checkOf(route) : null;
    const former = checks.get(destinationId) ?? null;
    if (JSON.stringify(former) === JSON.stringify(check)) return;
    if (check === null) checks.delete(destinationId);
    else if (checks.size < healthChecksMax || former !== null) checks.set(destinationId, check);
    if (checks.size === 0) this.#checks.delete(gatewayId);
    else this.#checks.set(gatewayId, checks);
    // Of clients of other nodes too: what is not checked any more must not take the room of what is.
    if (check === null) this.#findings.forget(gatewayId, destinationId);
    for (const tunnel of this.#parts.tunnels.of(gatewayId)) this.#tell(tunnel, destinationId, check);
  }

  /** A tunnel has come up: its client is told what to check. */
  handleTunnel(tunnel: Tunnel): void {
    for (const [destinationId, check] of this.#checks.get(tunnel.gatewayId) ?? [])
      this.#tell(tunnel, destinationId, check);
  }

  /** A client that would check something else than it is asked is not asked; what is known of it is just that. */
  #tell(tunnel: Tunnel, destinationId: string, check: HealthCheck | null): void {
    const lacking = featuresLacking(featuresToDial(check?.target ?? {}), tunnel.features);
    if (lacking.length === 0) {
      tunnel.session.sendControl({ kind: 'check', destinationId, check });
      return;
    }
    tunnel.session.sendControl({ kind: 'check', destinationId, check: null });
    const { code, text } = outdated(tunnel.clientId, lacking);
    const since = new Date(this.#now()).toISOString();
    this.#keep(tunnel.gatewayId, tunnel.clientId, [
      { destinationId, ok: false, since, cause: `${code}: ${text}` },
    ]);
  }

  /** A client tells what it found, which counts here at once; false when the frame is about something else. */
  handleControl(tunnel: Tunnel, body: Control): boolean {
    if (body.kind !== 'health') return false;
    const { gatewayId, clientId } = tunnel;
    const checks = this.#checks.get(gatewayId);
    const items = body.items.filter(({ destinationId }) => checks?.has(destinationId) === true);
    if (items.length === 0) return true;
    this.#keep(gatewayId, clientId, items);
    this.#toTell(clientId, items);
    if (this.#tellTimer === null) this.#tellUntold();
    return true;
  }

  #toTell(clientId: string, items: readonly HealthFinding[]): void {
    const untold = this.#untold.get(clientId) ?? new Set<string>();
    for (const { destinationId } of items) untold.add(destinationId);
    if (untold.size > 0) this.#untold.set(clientId, untold);
  }

  /** So much of a gateway at a time; clients that found something first are told first. */
  #tellUntold(): void {
    this.#tellTimer = null;
    if (this.#untold.size === 0) return;
    const portions = new Portions(findingsToldMax);
    for (const [clientId, destinationIds] of this.#untold) {
      const known = this.#findings.of(clientId);
      if (known !== undefined && !portions.take(known.gatewayId, destinationIds.size)) continue;
      this.#untold.delete(clientId);
      if (known === undefined) continue;
      const items = known.findings.filter(({ destinationId }) => destinationIds.has(destinationId));
      this.#announce(known.gatewayId, clientId, items);
    }
    this.#tellTimer = setTimeout(() => this.#tellUntold(), tellDelayMs).unref();
  }

  /** A node has come that has not heard what was told before: what fails is told again, to all. */
  handleNode(): void {
    if (this.#willTell) return;
    this.#willTell = true;
    setTimeout(() => {
      this.#willTell = false;
      this.#tellFailing();
    }, tellAgainMs).unref();
  }

  /** What passes need not be told: what is not known counts as well. */
  #tellFailing(): void {
    const own = new Set([...this.#parts.tunnels.all()].map(({ clientId }) => clientId));
    for (const { clientId, findings } of this.#findings.clients()) {
      const failing = findings.filter(({ ok }) => !ok);
      if (own.has(clientId)) this.#toTell(clientId, failing);
    }
    if (this.#tellTimer === null) this.#tellUntold();
  }

  #announce(gatewayId: string, clientId: string, all: readonly HealthFinding[]): void {
    const { bus, node, logger } = this.#parts;
    try {
      for (let from = 0; from < all.length; from += healthFindingsMax) {
        const items = all.slice(from, from + healthFindingsMax);
        announce(bus, healthChanged, { node, gatewayId, clientId, items });
      }
    } catch (error) {
      logger.debug({ error }, 'health could not be told');
    }
  }

  /** Whether a client may be chosen for a destination: its check passes, or nothing is known. */
  isWell(clientId: string, destinationId: string): boolean {
    const known = this.#findings.get(clientId, destinationId);
    return known === undefined || known.finding.ok || this.#now() - known.heardAt > findingLifeMs;
  }

  /** Destinations that fail at each client of their gateway; `clientsOf` says which those are. */
  failing(clientsOf: (gatewayId: string) => readonly string[]): FailingDestination[] {
    const found = new Map<string, FailingDestination>();
    for (const { gatewayId, finding } of this.#findings.failing()) {
      const { destinationId: id, since } = finding;
      // It fails since the last of them found so.
      if (since > (found.get(id)?.since ?? '')) found.set(id, { id, gatewayId, since });
    }
    const isFailing = ({ id, gatewayId }: FailingDestination): boolean => {
      const clients = clientsOf(gatewayId);
      return clients.length > 0 && !clients.some((clientId) => this.isWell(clientId, id));
    };
    return [...found.values()].filter(isFailing).slice(0, failingMax);
  }

  /** What the clients with tunnels here found of some destinations, as much as one answer takes. */
  list(gatewayId: string, destinationIds: readonly string[]): (HealthFinding & { clientId: string })[] {
    const clientIds = new Set([...this.#parts.tunnels.of(gatewayId)].map(({ clientId }) => clientId));
    return takePage(this.#findings.list(gatewayId, clientIds, new Set(destinationIds)));
  }

  #keep(gatewayId: string, clientId: string, items: readonly HealthFinding[]): void {
    this.#findings.keep(gatewayId, clientId, items, this.#now());
  }
}

/** How a destination's resource is checked. A check over TLS of a resource for which the destination asks none (its front passes TLS through) takes any certificate. */
export function checkOf({ resource, health }: Pick<Route, 'resource' | 'health'>): HealthCheck | null {
  if (health.kind === 'none' || (resource.protocol === 'udp') !== (health.kind === 'udp')) return null;
  const target = dialTargetOf(resource);
  const anyTls = {
    mode: 'tls' as const,
    serverName: resource.tls.serverName,
    caCertificateIds: [],
    clientCertificateId: null,
    rejectUnauthorized: false,
  };
  return {
    kind: health.kind,
    target: health.kind === 'tls' && target.tls === undefined ? { ...target, tls: anyTls } : target,
    http:
      health.kind === 'http' ? { host: resource.tls.serverName ?? resource.host, path: health.path } : null,
    intervalSeconds: health.intervalSeconds,
  };
}
