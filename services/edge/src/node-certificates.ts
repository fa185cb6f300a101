/**
 * Everything of this node that concerns operators' certificates: the contents that it serves with, asked for in the name
 * of its identity in the cluster, and what clients are told and passed on.
 */
import type { Bus } from '@postern/bus';
import type { Route } from '@postern/contracts';
import type { Logger } from '@postern/telemetry';
import { Certificates } from './certificates.ts';
import { ClientCertificates } from './client-certificates.ts';
import { MaterialDesk } from './material-desk.ts';
import type { ServerCertificate } from './server-certificate.ts';
import type { Tunnel } from './tunnels.ts';

/** What it needs of the node. */
export interface NodeCertificatesParts {
  readonly bus: Bus;
  /** This node's certificate from the cluster's CA. */
  readonly identity: ServerCertificate;
  readonly tunnels: (gatewayId: string) => Iterable<Tunnel>;
  readonly logger: Logger;
}

/** One for the node. */
export class NodeCertificates {
  /** What the node serves with. */
  readonly held: Certificates;
  readonly forClients: ClientCertificates;

  constructor({ bus, identity, tunnels, logger }: NodeCertificatesParts) {
    const desk = new MaterialDesk(bus, identity);
    this.held = new Certificates({
      bus,
      desk,
      logger,
      onRevision: (id) => this.forClients.handleRevision(id),
    });
    this.forClients = new ClientCertificates({
      desk,
      revision: (id) => this.held.revision(id),
      tunnels,
      logger,
    });
  }

  /** A destination is new or another; undefined when it is gone. */
  handleRoute(id: string, gatewayId: string, route: Route | undefined): void {
    this.held.handleRoute(id, route);
    this.forClients.handleRoute(id, gatewayId, route);
  }
}
