/**
 * The node's side towards cloud destinations, put together: what clients are told of them, the streams that clients open
 * for them, and how their resources are.
 *
 *     CloudBook ──which there are──► clients ──streams──► CloudStreams ──dial──► resources ◄──checks── CloudHealth
 */
import type { Policy, Route } from '@postern/contracts';
import { Hosts, type MaterialSource } from '@postern/dial';
import { type Logger, subsystemLogger } from '@postern/telemetry';
import type { Compression } from '@postern/tunnel';
import { CloudBook } from './cloud-book.ts';
import { CloudHealth } from './cloud-health.ts';
import { cloudReach } from './cloud-reach.ts';
import { CloudStreams } from './cloud-streams.ts';
import type { EdgeOptions } from './config.ts';
import type { Refusals } from './refusals.ts';
import type { Traces } from './traces.ts';
import type { Tunnel } from './tunnels.ts';

/** What it needs of the node. */
export interface CloudSideParts {
  options: EdgeOptions;
  logger: Logger;
  compression: Compression;
  refusals: Refusals;
  traces: Traces | null;
  /** Certificates for TLS to resources. */
  material: MaterialSource;
  tunnels(gatewayId: string): Iterable<Tunnel>;
  policy(gatewayId: string): Policy | undefined;
  route(destinationId: string): Route | undefined;
  /** The revision of the routes that this node has. */
  revision(): number;
}

/** All that concerns cloud destinations. */
export class CloudSide {
  readonly book: CloudBook;
  readonly streams: CloudStreams;
  readonly health: CloudHealth;

  constructor(parts: CloudSideParts) {
    const { options, logger, compression, refusals, traces, material } = parts;
    const policy = (gatewayId: string): Policy | undefined => parts.policy(gatewayId);
    const route = (destinationId: string): Route | undefined => parts.route(destinationId);
    this.book = new CloudBook({
      tunnels: (gatewayId) => parts.tunnels(gatewayId),
      revision: () => parts.revision(),
    });
    const hosts = new Hosts({});
    this.streams = new CloudStreams({
      policy,
      route,
      hosts: (gatewayId) => hosts.of(gatewayId),
      compression,
      reach: cloudReach(options),
      material,
      refusals,
      traces,
      dialsMax: options.openingMax,
      streamsMax: options.connectionsMax,
    });
    this.health = new CloudHealth({
      route,
      resource: (gatewayId) => this.streams.resource(gatewayId),
      logger: subsystemLogger(logger, 'health'),
    });
  }

  /** A destination is new or another, or gone. */
  apply(destinationId: string, gatewayId: string, route: Route | undefined): void {
    this.book.apply(destinationId, gatewayId, route);
    this.health.handleRoute(destinationId, route);
  }
}
