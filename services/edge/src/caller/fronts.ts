/**
 * The fronts of this node: one for each on-premises destination that it knows, opened, changed and closed as the routes
 * change, without a restart. Most have a port of their own; those on a port of the platform's only have a name there.
 * Ports that are given up are given up before others are taken, so that a port can pass from one destination to another in
 * one change.
 */
import { type FrontRoute, type Route, hasFront } from '@postern/contracts';
import type { FlowCounts } from '@postern/tunnel';
import { FrontNames } from './front-names.ts';
import { Front, type FrontParts, type FrontState } from './front.ts';

/** Where fronts listen; those that share a port of the platform's need no listener of their own. */
export interface FrontsParts extends FrontParts {
  /** By which the platform itself is reached on the shared port. */
  platformNames: readonly string[];
  /** Whether the port that server names, or that Hosts tell apart listens. */
  sharedListening(by: 'tls' | 'http'): boolean;
  /** Why the TLS of a front cannot be ended now; null where it can, or need not. */
  whyNoTls(route: FrontRoute): string | null;
}

/** All fronts. */
export class Fronts {
  /** The names on the shared port, which server names tell apart. */
  readonly names: FrontNames;
  /** The names on the port that plain HTTP fronts share. */
  readonly httpNames = new FrontNames();
  readonly #parts: FrontsParts;
  readonly #fronts = new Map<string, Front>();
  readonly #shared = new Map<string, FrontRoute>();
  /** Datagrams of fronts that are gone. */
  readonly #gone: FlowCounts = { fromCallers: 0, toCallers: 0, dropped: 0 };
  #open = false;

  constructor(parts: FrontsParts) {
    this.#parts = parts;
    this.names = new FrontNames(parts.platformNames);
  }

  get size(): number {
    return this.#fronts.size + this.#shared.size;
  }

  /** Opens the fronts of all routes; resolves when each listens or has failed once. */
  async open(routes: Iterable<Route>): Promise<void> {
    this.#open = true;
    for (const route of routes) this.apply(route.id, route);
    await this.tried();
  }

  /** Resolves when each that there is now listens or has failed once. */
  async tried(): Promise<void> {
    await Promise.all([...this.#fronts.values()].map((front) => front.tried));
  }

  /** A destination is new, has changed, or is gone. */
  apply(destinationId: string, route: Route | undefined): void {
    if (!this.#open) return;
    const front = this.#fronts.get(destinationId);
    const shared = route !== undefined && hasFront(route) && route.shared ? route : null;
    this.#applyShared(destinationId, shared);
    if (route === undefined || !hasFront(route) || shared !== null) {
      this.#closeFront(front);
      this.#fronts.delete(destinationId);
    } else if (front !== undefined && isUdp(front.route) === isUdp(route)) front.update(route);
    else {
      this.#closeFront(front);
      this.#fronts.set(destinationId, new Front(this.#parts, route));
    }
  }

  /** Whether each listens, and what keeps it from serving; looked at one by one, as it is asked for. */
  *states(): Generator<FrontState> {
    for (const front of this.#fronts.values()) yield this.#ownState(front);
    for (const route of this.#shared.values()) yield this.#sharedState(route);
  }

  /** The same of one destination; null where it has no front here. */
  stateOf(destinationId: string): FrontState | null {
    const front = this.#fronts.get(destinationId);
    if (front !== undefined) return this.#ownState(front);
    const shared = this.#shared.get(destinationId);
    return shared === undefined ? null : this.#sharedState(shared);
  }

  /** For metrics, as what follows: of the many that share a port only their number is looked at. */
  counts(): { listening: number; failed: number } {
    let listening = 0;
    for (const front of this.#fronts.values()) if (front.listening) listening += 1;
    if (this.#isListening('tls')) listening += this.names.size;
    if (this.#isListening('http')) listening += this.httpNames.size;
    return { listening, failed: this.size - listening };
  }

  /** UDP flows, and datagrams of all fronts since the start. */
  datagrams(): FlowCounts & { flows: number } {
    const all = { flows: 0, ...this.#gone };
    for (const front of this.#fronts.values()) {
      if (!isUdp(front.route)) continue;
      const { udp } = front.state;
      if (udp === undefined) continue;
      all.flows += udp.flows;
      addCounts(all, udp);
    }
    return all;
  }

  /** What it counted stays in the sum, which would else go back. */
  #closeFront(front: Front | undefined): void {
    const udp = front?.state.udp;
    if (udp !== undefined) addCounts(this.#gone, udp);
    front?.close();
  }

  /** Takes no more callers. Idempotent. */
  close(): void {
    this.#open = false;
    for (const front of this.#fronts.values()) front.close();
  }

  #applyShared(destinationId: string, route: FrontRoute | null): void {
    if (route === null) this.#shared.delete(destinationId);
    else this.#shared.set(destinationId, route);
    this.names.apply(destinationId, route !== null && sharedBy(route) === 'tls' ? route : null);
    this.httpNames.apply(destinationId, route !== null && sharedBy(route) === 'http' ? route : null);
  }

  #ownState({ state, route }: Front): FrontState {
    return state.error === null ? { ...state, error: this.#parts.whyNoTls(route) } : state;
  }

  #sharedState(route: FrontRoute): FrontState {
    const { id, name, front, enabled, gatewayEnabled } = route;
    return {
      destinationId: id,
      name,
      port: front.port,
      enabled: enabled && gatewayEnabled,
      listening: this.#isListening(sharedBy(route)),
      error: this.#parts.whyNoTls(route),
    };
  }

  #isListening(by: 'tls' | 'http'): boolean {
    return this.#open && this.#parts.sharedListening(by);
  }
}

function sharedBy({ front }: FrontRoute): 'tls' | 'http' {
  return front.tls.mode === 'none' ? 'http' : 'tls';
}

function addCounts(to: FlowCounts, { fromCallers, toCallers, dropped }: FlowCounts): void {
  to.fromCallers += fromCallers;
  to.toCallers += toCallers;
  to.dropped += dropped;
}

function isUdp({ front }: FrontRoute): boolean {
  return front.protocol === 'udp';
}
