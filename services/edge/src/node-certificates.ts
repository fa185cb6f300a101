/**
 * Everything of this node that concerns certificates: its own from the platform's CA, its identity in the cluster, and
 * those of operators: the contents that it serves with, asked for in the name of that identity, and what clients are told
 * and passed on.
 */
import type { Bus } from '@postern/bus';
import { KeptCertificate } from '@postern/kept-certificate';
import type { Route } from '@postern/contracts';
import { LineLimit, type Logger } from '@postern/telemetry';
import { Certificates } from './certificate/certificates.ts';
import { ClientCertificates } from './client/client-certificates.ts';
import type { EdgeOptions } from './config.ts';
import { linesPerSecondMax } from './gate/gates.ts';
import { MaterialDesk } from './certificate/material-desk.ts';
import { certificateNames } from './certificate/names.ts';
import type { Tunnel } from './client/tunnels.ts';

/** What it needs of the node. */
export interface NodeCertificatesParts {
  readonly bus: Bus;
  readonly options: EdgeOptions;
  readonly tunnels: (gatewayId: string) => Iterable<Tunnel>;
  /** certstore has other contents. */
  readonly onChange: () => void;
  readonly logger: Logger;
}

/** One for the node. */
export class NodeCertificates {
  /** What the node shows clients, from the platform's CA. */
  readonly own: KeptCertificate;
  /** What it shows other nodes and certstore, from the cluster's CA. */
  readonly identity: KeptCertificate;
  /** What the node serves with. */
  readonly held: Certificates;
  readonly forClients: ClientCertificates;

  constructor({ bus, options, tunnels, onChange, logger }: NodeCertificatesParts) {
    const kept = { bus, logger, holder: { kind: 'node', name: options.name } } as const;
    this.own = new KeptCertificate({ ...kept, names: certificateNames(options) });
    this.identity = new KeptCertificate({ ...kept, names: null });
    const desk = new MaterialDesk(bus, this.identity);
    this.held = new Certificates({
      bus,
      desk,
      logger,
      onRevision: (id) => this.forClients.handleRevision(id),
      onChange,
    });
    this.forClients = new ClientCertificates({
      desk,
      revision: (id) => this.held.revision(id),
      tunnels,
      logger,
      lines: new LineLimit(linesPerSecondMax),
    });
  }

  /** A destination is new or another; undefined when it is gone. */
  handleRoute(id: string, gatewayId: string, route: Route | undefined): void {
    this.held.handleRoute(id, route);
    this.forClients.handleRoute(id, gatewayId, route);
  }
}
