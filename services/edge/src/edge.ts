/**
 * A node, put together and brought to life. The order of the start matters:
 *
 *     bus desk ─► certificate, identity, ticket keys, routes, policies ─► certificates that routes name
 *                 └── each waits for its owner, as long as it takes ──┘            │
 *          ready ◄─ fronts ◄─ connect port ◄─ the other nodes ◄─ link port, tunnel port ◄┘
 *
 * Nothing listens before the node can tell a valid ticket and an allowed caller from others. Once it can, it needs none
 * of them any more: with bus, acl, router and certstore gone its tunnels, streams and fronts go on, on what it knows.
 * The stop goes the other way: no new callers and tunnels, clients are asked to go elsewhere, callers get their grace.
 */
import { randomUUID } from 'node:crypto';
import type { Bus, Subscription } from '@postern/bus';
import type { Control, NodeAddress, NodeBeat, Policy, Route } from '@postern/contracts';
import {
  type Logger,
  type Metrics,
  type Readiness,
  type Service,
  readyWhen,
  subsystemLogger,
} from '@postern/telemetry';
import { type Carrier, Endpoint, type Limits, ResetCode } from '@postern/tunnel';
import { Hosts } from '@postern/dial';
import { AclReach } from './acl-reach.ts';
import { RateLimit } from './admission.ts';
import { Balancers } from './balancers.ts';
import { openBusDesk } from './bus-desk.ts';
import { Callers } from './callers.ts';
import { CloudBook } from './cloud-book.ts';
import { cloudReach } from './cloud-reach.ts';
import { CloudStreams } from './cloud-streams.ts';
import type { EdgeOptions } from './config.ts';
import { ClientDesk } from './client-desk.ts';
import { ConnectServer } from './connect-server.ts';
import { Drain, type DrainParts } from './drain.ts';
import { EdgeError } from './errors.ts';
import { FleetNews } from './fleet-news.ts';
import { Followers } from './followers.ts';
import { FrontSide } from './front-side.ts';
import { Guard } from './guard.ts';
import { HandshakeGate } from './handshake-gate.ts';
import { Health } from './health.ts';
import { httpBounds } from './http/bounds.ts';
import { joinFleet } from './join.ts';
import { LineLimit } from '@postern/telemetry';
import { Links } from './links.ts';
import { type EdgeMetrics, type GatedPort, edgeMetrics } from './metrics.ts';
import { advertisedHost, certificateNames, linkHost, tunnelServerName } from './names.ts';
import { NodeCertificates } from './node-certificates.ts';
import { Presence } from './presence.ts';
import { Relays } from './relays.ts';
import { Refusals } from './refusals.ts';
import { ServerCertificate } from './server-certificate.ts';
import { edgeStatus } from './status.ts';
import { TicketKeys } from './ticket-keys.ts';
import { TicketVerifier } from './ticket-verifier.ts';
import { type TunnelHandshakeParts, acceptTunnel } from './tunnel-handshake.ts';
import { TunnelServer } from './tunnel-server.ts';
import { type Tunnel, Tunnels } from './tunnels.ts';

/** Lines a second for what strangers do wrong, on each port. */
const linesPerSecondMax = 20;

/** What a node is made of. */
export interface EdgeParts {
  options: EdgeOptions;
  bus: Bus;
  logger: Logger;
  metrics: Metrics;
  version: string;
  /** There are no other nodes (standalone): no link port, no relays. */
  alone?: boolean;
  /** Bounds of the tunnels, for tests. */
  limits?: Partial<Limits>;
}

/** A node. */
export interface Edge extends Service {
  /** The ports that it took; 0 before it listens. */
  readonly ports: { connect: number; tunnel: number; link: number };
}

/** Makes a node; `start` brings it to life. */
export function createEdge(parts: EdgeParts): Edge {
  return new EdgeNode(parts);
}

class EdgeNode implements Edge {
  readonly name = 'edge';
  readonly #parts: EdgeParts;
  readonly #bootId = randomUUID();
  readonly #logger: Logger;
  readonly #starting = new AbortController();
  readonly #endpoint: Endpoint;
  readonly #followers: Followers;
  readonly #presence: Presence;
  readonly #tunnels: Tunnels;
  readonly #clientDesk: ClientDesk;
  readonly #health: Health;
  readonly #refusals: Refusals;
  readonly #callers: Callers;
  readonly #frontSide: FrontSide;
  readonly #cloudBook: CloudBook;
  readonly #cloudStreams: CloudStreams;
  readonly #guard: Guard;
  readonly #aclReach: AclReach;
  readonly #keys: TicketKeys;
  readonly #certificate: ServerCertificate;
  readonly #identity: ServerCertificate;
  readonly #links: Links;
  readonly #relays: Relays;
  readonly #drain: Drain;
  readonly #fleetNews: FleetNews;
  readonly #gates: Record<GatedPort, HandshakeGate>;
  readonly #certificates: NodeCertificates;
  readonly #metrics: EdgeMetrics;
  readonly #handshake: TunnelHandshakeParts;
  #subscriptions: Subscription[] = [];
  #tunnelServer: TunnelServer | null = null;
  #connectServer: ConnectServer | null = null;
  #serving = false;
  #stopping: Promise<void> | null = null;

  constructor(parts: EdgeParts) {
    this.#parts = parts;
    const { options, bus, logger } = parts;
    this.#logger = subsystemLogger(logger, 'edge');
    this.#endpoint = new Endpoint({
      self: { id: options.name, bootId: this.#bootId },
      ...(parts.limits === undefined ? {} : { limits: parts.limits }),
      onOpen: (stream) => void this.#cloudStreams.serve(stream),
      onControl: (session, body) => {
        if (!this.#links.handleControl(session, body)) this.#tunnels.handleControl(session, body);
      },
      onSessionClose: (session, cause) => {
        this.#tunnels.remove(session, cause);
        this.#links.handleClose(session, cause);
      },
      onGoAway: (session) => this.#links.handleGoAway(session),
      relayTo: (session, { scope, to }) => this.#relays.onward(session, scope, to),
      findDetour: (stream) => this.#relays.detour(stream),
    });
    this.#followers = new Followers({
      bus,
      logger: subsystemLogger(logger, 'followers'),
      onRoute: (id, gatewayId, route) => this.#handleRoute(id, gatewayId, route),
      onPolicy: (id) => this.#guard.handlePolicy(id),
    });
    this.#presence = new Presence({
      bus,
      logger: subsystemLogger(logger, 'presence'),
      node: options.name,
      bootId: this.#bootId,
      version: parts.version,
      describe: () => ({
        address: this.#address(),
        ...this.#linkAddress(),
        ready: this.ready().ready,
        draining: this.#drain.active,
        callers: this.#callers.size,
      }),
      onTunnelElsewhere: (tunnel) => {
        this.#guard.handleTunnelElsewhere(tunnel);
        this.#endpoint.seekPaths(tunnel.gatewayId);
      },
      onAnnounce: (announcement) => this.#links.announce(announcement),
      onNode: () => {
        this.#links.dial();
        this.#fleetNews.look();
      },
      askOverLink: (node, after, signal) => this.#links.askPage(node, after, signal),
    });
    this.#tunnels = new Tunnels(this.#presence, subsystemLogger(logger, 'tunnels'), (tunnel, body) =>
      this.#handleControl(tunnel, body),
    );
    this.#clientDesk = new ClientDesk(this.#tunnels);
    this.#health = new Health({
      bus,
      node: options.name,
      tunnels: this.#tunnels,
      logger: subsystemLogger(logger, 'health'),
    });
    this.#refusals = new Refusals(subsystemLogger(logger, 'callers'));
    const balancers = new Balancers(options);
    this.#callers = new Callers({
      bounds: options,
      http: httpBounds(options),
      trusts: (address) => balancers.trusts(address),
      policy: (gatewayId) => this.#policy(gatewayId),
      route: (destinationId) => this.#followers.routes.get(destinationId),
      upstreams: (gatewayId) => this.#relays.upstreams(gatewayId),
      isWell: (clientId, destinationId) => this.#health.isWell(clientId, destinationId),
      refusals: this.#refusals,
      logger: subsystemLogger(logger, 'callers'),
    });
    this.#cloudBook = new CloudBook({
      tunnels: (gatewayId) => this.#tunnels.of(gatewayId),
      revision: () => this.#followers.routes.position.revision,
    });
    this.#cloudStreams = new CloudStreams({
      policy: (gatewayId) => this.#policy(gatewayId),
      route: (destinationId) => this.#followers.routes.get(destinationId),
      hosts: new Hosts({}),
      reach: cloudReach(options),
      material: (ids) => this.#certificates.held.source(ids),
      refusals: this.#refusals,
      dialsMax: options.openingMax,
    });
    this.#guard = new Guard({
      tunnels: this.#tunnels,
      callers: this.#callers,
      hasValidElsewhere: (gatewayId, client) => this.#relays.hasValidElsewhere(gatewayId, client),
      resetRelayed: (session, text) => this.#endpoint.resetRelayed(session, ResetCode.Disabled, text),
      cloudStreams: this.#cloudStreams,
      policy: (gatewayId) => this.#policy(gatewayId),
      logger: subsystemLogger(logger, 'guard'),
    });
    this.#aclReach = new AclReach(bus);
    this.#keys = new TicketKeys({ bus, logger: subsystemLogger(logger, 'tickets') });
    this.#certificate = new ServerCertificate({
      bus,
      logger: subsystemLogger(logger, 'certificate'),
      node: options.name,
      names: certificateNames(options),
    });
    this.#identity = new ServerCertificate({
      bus,
      logger: subsystemLogger(logger, 'certificate'),
      node: options.name,
      names: null,
    });
    this.#certificates = new NodeCertificates({
      bus,
      identity: this.#identity,
      tunnels: (gatewayId) => this.#tunnels.of(gatewayId),
      logger: subsystemLogger(logger, 'certificate'),
    });
    this.#metrics = edgeMetrics(parts.metrics, this.#metricSources());
    this.#gates = {
      connect: this.#gate('connect'),
      tunnel: this.#gate('tunnel'),
      link: this.#gate('link'),
      front: this.#gate('front'),
    };
    this.#frontSide = new FrontSide({
      bus,
      options,
      logger,
      callers: this.#callers,
      refusals: this.#refusals,
      gates: this.#gates,
      policy: (gatewayId) => this.#policy(gatewayId),
      route: (destinationId) => this.#followers.routes.get(destinationId),
      draining: () => this.#drain.closed,
      certificates: this.#certificates.held,
      certificate: this.#certificate,
      serve: (caller) => this.#callers.serve(caller),
      servePlatform: (connection) => this.#connectServer?.serve(connection),
    });
    this.#links = this.#makeLinks();
    this.#relays = new Relays({
      endpoint: this.#endpoint,
      tunnels: this.#tunnels,
      policy: (gatewayId) => this.#policy(gatewayId),
      linkTo: (node) => this.#links.to(node),
      elsewhere: (gatewayId) => this.#presence.elsewhere(gatewayId),
      isQuiet: (node) => this.#presence.isQuiet(node),
    });
    this.#drain = this.#makeDrain();
    this.#fleetNews = new FleetNews({
      nodes: () => this.#presence.nodes(),
      sessions: () => [...this.#tunnels.all()].map(({ session }) => session),
    });
    this.#handshake = this.#handshakeParts();
  }

  get ports(): { connect: number; tunnel: number; link: number } {
    return {
      connect: this.#frontSide.port,
      tunnel: this.#tunnelServer?.port ?? 0,
      link: this.#links.port,
    };
  }

  async start(): Promise<void> {
    const { signal } = this.#starting;
    const { bus, options } = this.#parts;
    this.#aclReach.start();
    this.#presence.listen();
    const desk = openBusDesk({
      bus,
      node: options.name,
      tunnels: this.#tunnels,
      fronts: this.#frontSide.fronts,
      cloudBook: this.#cloudBook,
      guard: this.#guard,
      clientDesk: this.#clientDesk,
      health: this.#health,
      drain: () => void this.#drain.run(),
      logger: subsystemLogger(this.#parts.logger, 'bus'),
    });
    this.#subscriptions = [...desk, this.#health.listen()];
    await Promise.all([
      this.#certificate.start(signal),
      this.#identity.start(signal),
      this.#keys.start(signal),
      this.#followers.start(signal),
    ]);
    await this.#certificates.held.start(signal);
    if (signal.aborted) return;
    await this.#listen(signal);
    if (signal.aborted) return;
    this.#serving = true;
    this.#presence.tellNews();
    this.#logger.info({ ...this.ports, fronts: this.#frontSide.fronts.size }, 'the node serves');
  }

  ready(): Readiness {
    return readyWhen({
      'certificate from certstore': this.#certificate.current === null,
      'identity from certstore': this.#identity.current === null,
      'ticket keys from acl': !this.#keys.known,
      'routes from router': !this.#followers.routes.isSynced,
      'policies from acl': !this.#followers.policies.isSynced,
      listeners: !this.#serving,
      draining: this.#drain.active,
    });
  }

  status(): unknown {
    const { options, version } = this.#parts;
    return edgeStatus({
      node: {
        name: options.name,
        zone: options.zone,
        bootId: this.#bootId,
        version,
        draining: this.#drain.active,
      },
      ports: this.ports,
      aclInReach: this.#aclReach.inReach,
      ticketKeys: this.#keys.size,
      certificate: this.#certificate,
      links: this.#links.nodes,
      certificates: this.#certificates.held,
      tunnels: this.#tunnels,
      fronts: this.#frontSide.fronts,
      callers: this.#callers,
      cloudBook: this.#cloudBook,
      cloudStreams: this.#cloudStreams,
      bounds: options,
      refusals: this.#refusals,
      memory: this.#endpoint.memory,
    });
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #listen(signal: AbortSignal): Promise<void> {
    const { options, bus } = this.#parts;
    const certificate = this.#certificate.current;
    if (certificate === null) return;
    const common = {
      host: options.listenHost,
      certificate,
      accept: (carrier: Carrier) => acceptTunnel(this.#handshake, carrier),
      onTlsError: () => this.#metrics.handshakeFailed('TLS'),
    };
    const tunnelServer = new TunnelServer({ ...common, port: options.tunnelPort, gate: this.#gates.tunnel });
    const callsPerMinute = options.connectCallsPerMinute;
    const connectServer = new ConnectServer({
      certificate,
      accept: common.accept,
      onTlsError: common.onTlsError,
      callRate: new RateLimit({
        perSecond: callsPerMinute / 60,
        burst: callsPerMinute,
        addressesMax: options.addressesMax,
      }),
      bus,
      nodes: () => this.#presence.nodes(),
      draining: () => this.#drain.active,
      onCall: (code) => this.#metrics.called(code),
      logger: subsystemLogger(this.#parts.logger, 'connect'),
      lines: new LineLimit(linesPerSecondMax),
    });
    this.#tunnelServer = tunnelServer;
    this.#connectServer = connectServer;
    this.#certificate.onRenewed((renewed) => {
      tunnelServer.useCertificate(renewed);
      connectServer.useCertificate(renewed);
    });
    // Where clients and nodes find this one, then the others, then callers.
    const identity = this.#parts.alone === true ? null : this.#identity.current;
    if (identity !== null) await this.#links.open(identity);
    await tunnelServer.listen();
    this.#presence.announce();
    await this.#join(signal);
    if (signal.aborted) return;
    await this.#frontSide.listen([...this.#followers.routes.items.values()]);
  }

  async #join(signal: AbortSignal): Promise<void> {
    if (this.#parts.alone === true) return;
    const isSettled = (): boolean =>
      this.#presence.isSettled &&
      this.#presence
        .links()
        .every(({ node }) => this.#presence.isQuiet(node) || this.#links.to(node) !== null);
    await joinFleet({ joinDelayMs: this.#parts.options.joinDelayMs, isSettled, signal });
  }

  async #stop(): Promise<void> {
    this.#starting.abort();
    await this.#drain.run();
    this.#fleetNews.stop();
    await Promise.all([this.#followers.stop(), this.#presence.stop(), this.#certificates.held.stop()]);
    this.#frontSide.close();
    this.#connectServer?.close();
    this.#tunnelServer?.close();
    this.#links.close();
    this.#endpoint.close();
    for (const subscription of this.#subscriptions) subscription.close();
    this.#aclReach.stop();
  }

  #policy(gatewayId: string): Policy | undefined {
    return this.#followers.policies.get(gatewayId);
  }

  /** A client says something. */
  #handleControl(tunnel: Tunnel, body: Control): void {
    if (body.kind === 'materialWanted') void this.#certificates.forClients.handleWanted(tunnel, body);
    else if (body.kind === 'cloudListeners') this.#cloudBook.setStates(tunnel, body.listeners);
    else if (!this.#clientDesk.handleControl(tunnel, body)) this.#health.handleControl(tunnel, body);
  }

  /** A destination is new or another, or gone. */
  #handleRoute(id: string, gatewayId: string, route: Route | undefined): void {
    this.#certificates.handleRoute(id, gatewayId, route);
    this.#frontSide.apply(id, route);
    this.#cloudBook.apply(id, gatewayId, route);
    this.#guard.handleRoute(gatewayId);
    this.#health.handleRoute(id, gatewayId, route);
    if (route === undefined) this.#refusals.forget(id);
  }

  #handshakeParts(): TunnelHandshakeParts {
    const { options, logger } = this.#parts;
    return {
      node: options.name,
      bootId: this.#bootId,
      endpoint: this.#endpoint,
      verifier: new TicketVerifier({
        node: options.name,
        keys: this.#keys,
        policy: (gatewayId) => this.#followers.policy(gatewayId),
        aclInReach: () => this.#aclReach.inReach,
      }),
      logger: subsystemLogger(logger, 'tunnels'),
      lines: new LineLimit(linesPerSecondMax),
      whyClosed: () => this.#whyClosed(),
      onTunnel: (tunnel) => {
        this.#tunnels.add(tunnel);
        this.#guard.handleTunnel(tunnel);
        this.#certificates.forClients.handleTunnel(tunnel);
        this.#health.handleTunnel(tunnel);
        if (!tunnel.session.closed) this.#cloudBook.tell(tunnel);
      },
      onFailure: (code) => this.#metrics.handshakeFailed(code),
    };
  }

  #makeDrain(): Drain {
    const { options, logger } = this.#parts;
    return new Drain({
      drainDelayMs: options.drainDelayMs,
      drainGraceMs: options.drainGraceMs,
      tunnels: this.#tunnels,
      callers: this.#allCallers(),
      others: () => this.#presence.nodes(),
      heldBy: ({ gatewayId, clientId, bootId }) => {
        const held = this.#presence.elsewhere(gatewayId).filter(({ tunnel }) => {
          return tunnel.clientId === clientId && tunnel.bootId === bootId;
        });
        return new Set(held.map(({ node }) => node));
      },
      tell: () => {
        if (this.#serving) this.#presence.tellNews();
      },
      closeFronts: () => this.#frontSide.drain(),
      leaveRelayed: (session, text) => this.#endpoint.resetRelayed(session, ResetCode.PathLost, text),
      logger: subsystemLogger(logger, 'drain'),
    });
  }

  /** Callers of fronts, and those of cloud destinations, whose callers are at a client. */
  #allCallers(): DrainParts['callers'] {
    const [callers, cloud] = [this.#callers, this.#cloudStreams];
    return {
      get size() {
        return callers.size + cloud.size;
      },
      drain: async (graceMs) => void (await Promise.all([callers.drain(graceMs), cloud.drain(graceMs)])),
      close: (cause) => {
        callers.close(cause);
        cloud.close(cause);
      },
    };
  }

  #makeLinks(): Links {
    const { options, logger } = this.#parts;
    const setLink = (node: string, isUp: boolean): void => {
      this.#presence.handleLink(node, isUp);
      if (isUp) this.#endpoint.seekPaths();
    };
    return new Links({
      self: { node: options.name, bootId: this.#bootId },
      endpoint: this.#endpoint,
      certificate: this.#identity,
      host: options.listenHost,
      port: options.linkPort,
      gate: this.#gates.link,
      logger: subsystemLogger(logger, 'links'),
      lines: new LineLimit(linesPerSecondMax),
      known: () => this.#presence.links(),
      page: (after, bytesMax) => this.#presence.page(after, bytesMax),
      onAnnounce: (announcement) => this.#presence.handleAnnouncement(announcement),
      onUp: (node) => setLink(node, true),
      onDown: (node) => setLink(node, false),
      onFailure: (code) => this.#metrics.linkFailed(code),
    });
  }

  #whyClosed(): EdgeError | null {
    if (this.#drain.active) return new EdgeError('EDGE_DRAINING', 'this node is stopping');
    if (this.#tunnels.size < this.#parts.options.tunnelsMax) return null;
    return new EdgeError('EDGE_TUNNELS_FULL', 'this node has as many tunnels as it may');
  }

  #gate(port: GatedPort): HandshakeGate {
    const { handshakesMax, handshakesPerAddressMax, handshakeTimeoutMs } = this.#parts.options;
    const bounds = {
      max: handshakesMax,
      perAddressMax: handshakesPerAddressMax,
      timeoutMs: handshakeTimeoutMs,
    };
    return new HandshakeGate(bounds, (cause) => this.#metrics.evicted(port, cause));
  }

  #address(): NodeAddress {
    const { options } = this.#parts;
    return {
      node: options.name,
      zone: options.zone,
      host: advertisedHost(options),
      port: options.advertisePort === 0 ? this.ports.tunnel : options.advertisePort,
      serverName: tunnelServerName(options),
    };
  }

  #linkAddress(): Pick<NodeBeat, 'link'> {
    const { options } = this.#parts;
    const port = options.linkAdvertisePort === 0 ? this.#links.port : options.linkAdvertisePort;
    return port === 0 ? {} : { link: { host: linkHost(options), port } };
  }

  #metricSources() {
    return {
      tunnels: () => this.#tunnels.byTransport(),
      callers: () => ({ open: this.#callers.size, opening: this.#callers.opening }),
      totals: () => this.#callers.totals(),
      refusals: () => this.#refusals.counts,
      links: () => this.#links.nodes.length,
      handshakes: () => ({
        connect: this.#gates.connect.size,
        tunnel: this.#gates.tunnel.size,
        link: this.#gates.link.size,
      }),
      memory: () => this.#endpoint.memory,
      fronts: () => this.#frontSide.fronts.counts(),
      datagrams: () => this.#frontSide.fronts.datagrams(),
      cloud: () => ({ size: this.#cloudStreams.size, ...this.#cloudStreams.totals }),
      http: () => this.#callers.http,
    };
  }
}
