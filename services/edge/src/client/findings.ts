/**
 * What clients found, as a node keeps it: no more than `findingsMax` findings, and of one gateway half of them. Of more,
 * the client heard of longest ago is forgotten; of a gateway that has too many, one of its own.
 */
import { type HealthFinding, healthChecksMax } from '@postern/contracts';
import { halfOf } from '@postern/share';

/** The most findings that are kept; each may have a cause of a kilobyte. */
const findingsMax = 100_000;

/** What one client found, by destination. */
type Found = Map<string, { finding: HealthFinding; heardAt: number }>;

interface Known {
  readonly gatewayId: string;
  readonly found: Found;
}

interface OfGateway {
  count: number;
  readonly clients: Map<string, Known>;
}

/** All of a node. */
export class Findings {
  readonly #max: number;
  /** Those heard of longest ago are first, here and in each gateway's. */
  readonly #clients = new Map<string, Known>();
  readonly #gateways = new Map<string, OfGateway>();
  #count = 0;

  constructor(max = findingsMax) {
    this.#max = max;
  }

  /** How many are kept. */
  get size(): number {
    return this.#count;
  }

  /** What a client found of a destination. */
  get(clientId: string, destinationId: string): { finding: HealthFinding; heardAt: number } | undefined {
    return this.#clients.get(clientId)?.found.get(destinationId);
  }

  /** Every client of which something is known. */
  *clients(): Iterable<{ clientId: string; gatewayId: string; findings: HealthFinding[] }> {
    for (const [clientId, { gatewayId, found }] of this.#clients)
      yield { clientId, gatewayId, findings: [...found.values()].map(({ finding }) => finding) };
  }

  /** All that was found to fail. */
  *failing(): Iterable<{ gatewayId: string; finding: HealthFinding }> {
    for (const { gatewayId, found } of this.#clients.values())
      for (const { finding } of found.values()) if (!finding.ok) yield { gatewayId, finding };
  }

  /** What one client found. */
  of(clientId: string): { gatewayId: string; findings: HealthFinding[] } | undefined {
    const known = this.#clients.get(clientId);
    if (known === undefined) return undefined;
    return {
      gatewayId: known.gatewayId,
      findings: [...known.found.values()].map(({ finding }) => finding),
    };
  }

  /** What some clients of a gateway found of some destinations; costs as much as is kept of the gateway. */
  *list(
    gatewayId: string,
    clientIds: ReadonlySet<string>,
    destinationIds: ReadonlySet<string>,
  ): Iterable<HealthFinding & { clientId: string }> {
    for (const [clientId, { found }] of this.#gateways.get(gatewayId)?.clients ?? []) {
      if (!clientIds.has(clientId)) continue;
      for (const { finding } of found.values())
        if (destinationIds.has(finding.destinationId)) yield { clientId, ...finding };
    }
  }

  /** A client found something. A client's ID is its gateway's and a hash of its key: no other gateway's client can speak for it. */
  keep(gatewayId: string, clientId: string, items: readonly HealthFinding[], heardAt: number): void {
    const known = this.#clients.get(clientId) ?? { gatewayId, found: new Map() };
    if (known.gatewayId !== gatewayId) return;
    const own = this.#gateways.get(gatewayId) ?? { count: 0, clients: new Map<string, Known>() };
    this.#gateways.set(gatewayId, own);
    for (const clients of [this.#clients, own.clients]) {
      clients.delete(clientId);
      clients.set(clientId, known);
    }
    for (const finding of items) {
      if (!known.found.delete(finding.destinationId)) this.#add(own, 1);
      known.found.set(finding.destinationId, { finding, heardAt });
      if (known.found.size <= healthChecksMax) continue;
      // That of a destination that is gone may have come late; nothing asks for it again.
      const [oldest = ''] = known.found.keys();
      known.found.delete(oldest);
      this.#add(own, -1);
    }
    while (own.count > halfOf(this.#max)) this.#forgetFirst(own.clients);
    while (this.#count > this.#max) this.#forgetFirst(this.#clients);
  }

  /** A destination is not checked any more. */
  forget(gatewayId: string, destinationId: string): void {
    const own = this.#gateways.get(gatewayId);
    if (own === undefined) return;
    for (const [clientId, { found }] of own.clients) {
      if (found.delete(destinationId)) this.#add(own, -1);
      if (found.size === 0) this.#forgetClient(clientId);
    }
  }

  #forgetFirst(clients: ReadonlyMap<string, Known>): void {
    const [oldest] = clients.keys();
    if (oldest !== undefined) this.#forgetClient(oldest);
  }

  #forgetClient(clientId: string): void {
    const known = this.#clients.get(clientId);
    if (known === undefined) return;
    this.#clients.delete(clientId);
    const own = this.#gateways.get(known.gatewayId);
    if (own === undefined) return;
    own.clients.delete(clientId);
    this.#add(own, -known.found.size);
    if (own.clients.size === 0) this.#gateways.delete(known.gatewayId);
  }

  #add(own: OfGateway, count: number): void {
    own.count += count;
    this.#count += count;
  }
}
