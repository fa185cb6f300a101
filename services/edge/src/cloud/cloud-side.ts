/**
 * The node's side towards cloud destinations, put together: what clients are told of them, the streams that clients open
 * for them, and how their resources are.
 *
 *     CloudBook ──which there are──► clients ──streams──► CloudStreams ──dial──► resources ◄──checks── CloudHealth
 */
import type { Route } from '@postern/contracts';
import { Hosts } from '@postern/dial';
import { type Logger, subsystemLogger } from '@postern/telemetry';
import { CloudBook, type CloudBookParts } from './cloud-book.ts';
import { CloudHealth } from './cloud-health.ts';
import { cloudReach } from './cloud-reach.ts';
import { CloudStreams, type CloudStreamsParts } from './cloud-streams.ts';
import type { EdgeOptions } from '../config.ts';

/** What it needs of the node. */
export interface CloudSideParts
  extends CloudBookParts, Omit<CloudStreamsParts, 'hosts' | 'reach' | 'dialsMax' | 'streamsMax'> {
  options: EdgeOptions;
  logger: Logger;
}

/** All that concerns cloud destinations. */
export class CloudSide {
  readonly book: CloudBook;
  readonly streams: CloudStreams;
  readonly health: CloudHealth;

  constructor(parts: CloudSideParts) {
    const { options, logger } = parts;
    const hosts = new Hosts({});
    this.book = new CloudBook(parts);
    this.streams = new CloudStreams({
      ...parts,
      hosts: (gatewayId) => hosts.of(gatewayId),
      reach: cloudReach(options),
      dialsMax: options.openingMax,
      streamsMax: options.connectionsMax,
    });
    this.health = new CloudHealth({
      route: (destinationId) => parts.route(destinationId),
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
