/**
 * The node's side towards callers, put together: its listeners, the entrance, and where TLS is ended. What is behind it,
 * the byte pipe, HTTP, the platform itself, is told to it as functions.
 *
 *     Fronts (own ports) ──┐                          ┌─► serve: byte pipe or HTTP
 *     SharedPort, for TLS ─┼─► Entrance ─► TlsEnds ───┤
 *     SharedPort, for HTTP ┘                          ├─► serveNameless: HTTP, by the Host of each request
 *                                                     └─► servePlatform: first calls, WebSocket tunnels
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bus } from '@postern/bus';
import type { KeptCertificate } from '@postern/kept-certificate';
import { type FrontRoute, type Policy, type Route, hasFront } from '@postern/contracts';
import { type Logger, subsystemLogger } from '@postern/telemetry';
import type { AcceptedCaller, NamelessCaller } from './accepted-caller.ts';
import { Balancers } from '../balancers.ts';
import type { Callers } from '../callers.ts';
import type { EdgeOptions } from '../config.ts';
import { Entrance, type PlatformConnection } from './entrance.ts';
import { Fronts } from './fronts.ts';
import type { HandshakeGate } from '../gate/handshake-gate.ts';
import type { Refusals } from './refusals.ts';
import { PlatformCertificates } from './platform-certificates.ts';
import { RevocationLists, type RevocationListsParts } from '../certificate/revocation-lists.ts';
import { SharedPort } from './shared-port.ts';
import { TlsEnds, type TlsEndsParts, endsTls } from './tls-ends.ts';

/** How long a change waits for the certificate of a new front. */
const certificateMs = 500;

/** What it needs of the node. */
export interface FrontSideParts {
  bus: Bus;
  certificates: TlsEndsParts['certificates'] & RevocationListsParts['certificates'];
  /** The node's own. */
  certificate: KeptCertificate;
  options: EdgeOptions;
  /** Ports of the processes of this machine that share callers' ports with this one; null where there are none. */
  machinePorts: ReadonlySet<number> | null;
  callers: Callers;
  refusals: Refusals;
  gates: { connect: HandshakeGate; front: HandshakeGate };
  logger: Logger;
  policy(gatewayId: string): Policy | undefined;
  route(destinationId: string): Route | undefined;
  /** All destinations as they are now. */
  routes(): Iterable<Route>;
  draining(): boolean;
  serve(caller: AcceptedCaller): void;
  serveNameless(caller: NamelessCaller): void;
  servePlatform(connection: PlatformConnection): void;
}

/** All that callers meet. */
export class FrontSide {
  readonly fronts: Fronts;
  readonly #sharedPort: SharedPort;
  readonly #httpPort: SharedPort;
  readonly #tlsEnds: TlsEnds;
  readonly #revocationLists: RevocationLists;
  readonly #platformCertificates: PlatformCertificates;
  readonly #gates: FrontSideParts['gates'];
  readonly #routes: FrontSideParts['routes'];

  constructor(parts: FrontSideParts) {
    const { options, gates, machinePorts } = parts;
    // The system deals connections among the processes.
    const reusePort = machinePorts !== null;
    const logger = subsystemLogger(parts.logger, 'fronts');
    this.#gates = gates;
    this.#routes = () => parts.routes();
    this.#revocationLists = new RevocationLists({
      hosts: options.revocationListHosts,
      certificates: parts.certificates,
      logger,
    });
    this.#platformCertificates = new PlatformCertificates({
      bus: parts.bus,
      holder: { kind: 'node', name: options.name },
      platformHost: options.platformHost,
      own: parts.certificate,
      logger,
    });
    this.#tlsEnds = new TlsEnds({
      certificates: parts.certificates,
      platformCertificate: (route) => this.#platformCertificates.of(route),
      revocationLists: this.#revocationLists,
    });
    this.fronts = new Fronts({
      host: options.frontHost === '' ? options.listenHost : options.frontHost,
      reusePort,
      machinePorts: machinePorts ?? new Set(),
      logger,
      platformNames: [options.platformHost, ...options.certificateNames],
      sharedListening: (by) => (by === 'tls' ? this.#sharedPort : this.#httpPort).listening,
      whyNoTls: (route) => this.#tlsEnds.whyNot(route),
      flowsPerFrontMax: options.flowsPerFrontMax,
      onConnection: (front, socket) => entrance.enterOwn(front.route, socket),
      onFlow: (front, flow) => parts.callers.serveFlow(front.route, flow),
      onFlowsFull: (front, address) => {
        const text = `the front has ${options.flowsPerFrontMax} flows already`;
        parts.callers.refuse(front.route, address, { code: 'EDGE_FLOWS_FULL', text, end: 'edge' });
      },
    });
    const entrance = new Entrance({
      ...parts,
      balancers: new Balancers(options),
      sharedGate: gates.connect,
      frontGate: gates.front,
      names: this.fronts.names,
      endTls: async (route, socket) => {
        const ended = await this.#tlsEnds.end(route, socket);
        this.#platformCertificates.demandName(route, ended.serverName);
        return ended;
      },
    });
    this.#sharedPort = new SharedPort({
      host: options.listenHost,
      port: options.connectPort,
      reusePort,
      logger,
      onConnection: (socket) => entrance.enterShared(socket),
    });
    this.#httpPort = new SharedPort({
      host: options.listenHost,
      port: options.httpPort,
      reusePort,
      logger,
      onConnection: (socket) => entrance.enterHttp(socket),
    });
  }

  /** The ports that are shared; 0 before they listen. */
  get ports(): { connect: number; http: number } {
    return { connect: this.#sharedPort.port, http: this.#httpPort.port };
  }

  /** The shared port first: the platform itself is served there. Destinations are those that there are by then. */
  async listen(): Promise<void> {
    await this.#sharedPort.listen();
    await this.#httpPort.listen();
    await this.fronts.open(this.#routes());
    await this.#platformCertificates.complete();
  }

  /** Resolves when new fronts have been tried and have the platform's certificate where they want it; waits half a second for that. */
  async settled(): Promise<void> {
    const late = sleep(certificateMs, undefined, { ref: false });
    await Promise.all([this.fronts.tried(), Promise.race([this.#platformCertificates.complete(), late])]);
  }

  /** A destination is new or another, or gone. */
  apply(destinationId: string, route: Route | undefined): void {
    const front: FrontRoute | null = route !== undefined && hasFront(route) ? route : null;
    if (front === null || !endsTls(front)) this.#tlsEnds.forget(destinationId);
    this.#revocationLists.apply(destinationId, front);
    this.#platformCertificates.apply(destinationId, front);
    this.fronts.apply(destinationId, route);
  }

  /** Takes no more callers. Idempotent. */
  drain(): void {
    this.fronts.close();
    this.#httpPort.close();
    this.#gates.front.close();
  }

  /** Takes nobody any more. Idempotent. */
  close(): void {
    this.drain();
    this.#sharedPort.close();
    this.#gates.connect.close();
    this.#revocationLists.stop();
    this.#platformCertificates.stop();
  }
}
