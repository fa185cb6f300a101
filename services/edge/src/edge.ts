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
import type { Control, Policy, Route } from '@postern/contracts';
import {
  type Logger,
  type Metrics,
  type Readiness,
  type Service,
  type Tracing,
  readyWhen,
  subsystemLogger,
} from '@postern/telemetry';
import { Compression, Endpoint, type Limits, ResetCode } from '@postern/tunnel';
import { Hosts } from '@postern/dial';
import { httpBounds } from '@postern/exchange';
import { AclReach } from './acl-reach.ts';
import { Balancers } from './balancers.ts';
import { openBusDesk } from './bus-desk.ts';
import { Callers } from './callers.ts';
import { CloudBook } from './cloud-book.ts';
import { CloudHealth } from './cloud-health.ts';
import { cloudReach } from './cloud-reach.ts';
import { CloudStreams } from './cloud-streams.ts';
import type { EdgeOptions } from './config.ts';
import { ClientDesk } from './client-desk.ts';
import { ClientSide } from './client-side.ts';
import type { Drain } from './drain.ts';
import { drainOf } from './node-drain.ts';
import { FleetNews } from './fleet-news.ts';
import { FleetSide } from './fleet-side.ts';
import { Followers } from './followers.ts';
import { FrontSide } from './front-side.ts';
import { makeGates } from './gates.ts';
import { Guard } from './guard.ts';
import type { HandshakeGate } from './handshake-gate.ts';
import { Health } from './health.ts';
import type { Links } from './links.ts';
import type { GatewayCounts } from './gateway-totals.ts';
import { type EdgeMetrics, type GatedPort, type MetricSources, edgeMetrics } from './metrics.ts';
import { NodeCertificates } from './node-certificates.ts';
import type { Presence } from './presence.ts';
import { Relays, tracedRelay } from './relays.ts';
import { Refusals } from './refusals.ts';
import { edgeStatus } from './status.ts';
import { TicketKeys } from './ticket-keys.ts';
import { Traces } from './traces.ts';
import { type Tunnel, Tunnels } from './tunnels.ts';
import { Turns } from './turns.ts';

/** What a node is made of. */
export interface EdgeParts {
  options: EdgeOptions;
  bus: Bus;
  logger: Logger;
  metrics: Metrics;
  version: string;
  /** There are no other nodes (standalone): no link port, no relays. */
  alone?: boolean;
  /** Other processes of this machine listen on the connect port and the fronts as well. */
  sharesPorts?: boolean;
  /** Null where no traces are wanted. */
  tracing?: Tracing | null;
  /** Bounds of the tunnels, for tests. */
  limits?: Partial<Limits>;
}

/** A node. */
export interface Edge extends Service {
  /** The ports that it took; 0 before it listens. */
  readonly ports: { connect: number; http: number; tunnel: number; link: number };
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
  readonly #fleetSide: FleetSide;
  readonly #presence: Presence;
  readonly #tunnels: Tunnels;
  readonly #clientDesk: ClientDesk;
  readonly #clientSide: ClientSide;
  readonly #health: Health;
  readonly #refusals: Refusals;
  readonly #callers: Callers;
  readonly #frontSide: FrontSide;
  readonly #compression = new Compression();
  readonly #cloudBook: CloudBook;
  readonly #cloudStreams: CloudStreams;
  readonly #cloudHealth: CloudHealth;
  readonly #guard: Guard;
  readonly #aclReach: AclReach;
  readonly #keys: TicketKeys;
  readonly #links: Links;
  readonly #relays: Relays;
  readonly #drain: Drain;
  readonly #fleetNews: FleetNews;
  readonly #gates: Record<GatedPort, HandshakeGate>;
  readonly #turns: Turns;
  readonly #certificates: NodeCertificates;
  readonly #metrics: EdgeMetrics;
  #subscriptions: Subscription[] = [];
  #serving = false;
  #stopping: Promise<void> | null = null;

  constructor(parts: EdgeParts) {
    this.#parts = parts;
    const { options, bus, logger } = parts;
    this.#logger = subsystemLogger(logger, 'edge');
    this.#metrics = edgeMetrics(parts.metrics, this.#metricSources());
    const { tracing = null } = parts;
    const traces = tracing === null ? null : new Traces(tracing, options);
    this.#gates = makeGates(options, (port, cause) => this.#metrics.evicted(port, cause));
    this.#turns = new Turns({ atOnceMax: options.handshakesAtOnce, waitingMax: options.handshakesMax });
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
      ...(traces === null ? {} : { onRelay: (metadata, to) => tracedRelay(traces, metadata, to) }),
    });
    this.#followers = new Followers({
      bus,
      logger: subsystemLogger(logger, 'followers'),
      onRoute: (id, gatewayId, route) => this.#handleRoute(id, gatewayId, route),
      onPolicy: (id) => this.#guard.handlePolicy(id),
    });
    this.#certificates = new NodeCertificates({
      bus,
      options,
      tunnels: (gatewayId) => this.#tunnels.of(gatewayId),
      logger: subsystemLogger(logger, 'certificate'),
    });
    this.#fleetSide = this.#makeFleetSide();
    this.#presence = this.#fleetSide.presence;
    this.#links = this.#fleetSide.links;
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
      named: (host) => this.#frontSide.fronts.httpNames.find(host),
      upstreams: (gatewayId) => this.#relays.upstreams(gatewayId),
      isWell: (clientId, destinationId) => this.#health.isWell(clientId, destinationId),
      compression: this.#compression,
      refusals: this.#refusals,
      traces,
      onAnswered: (request) => this.#metrics.answered(request),
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
      compression: this.#compression,
      reach: cloudReach(options),
      material: (ids) => this.#certificates.held.source(ids),
      refusals: this.#refusals,
      traces,
      dialsMax: options.openingMax,
    });
    this.#cloudHealth = new CloudHealth({
      route: (destinationId) => this.#followers.routes.get(destinationId),
      resource: (gatewayId) => this.#cloudStreams.resource(gatewayId),
      logger: subsystemLogger(logger, 'health'),
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
    this.#frontSide = new FrontSide({
      bus,
      options,
      reusePort: parts.sharesPorts === true,
      logger,
      callers: this.#callers,
      refusals: this.#refusals,
      gates: this.#gates,
      policy: (gatewayId) => this.#policy(gatewayId),
      route: (destinationId) => this.#followers.routes.get(destinationId),
      routes: () => this.#followers.routes.items.values(),
      draining: () => this.#drain.closed,
      certificates: this.#certificates.held,
      certificate: this.#certificates.own,
      serve: (caller) => this.#callers.serve(caller),
      serveNameless: (caller) => this.#callers.serveNameless(caller),
      servePlatform: (connection) => this.#clientSide.serve(connection),
    });
    this.#relays = new Relays({
      endpoint: this.#endpoint,
      tunnels: this.#tunnels,
      policy: (gatewayId) => this.#policy(gatewayId),
      linkTo: (node) => this.#links.to(node),
      elsewhere: (gatewayId) => this.#presence.elsewhere(gatewayId),
      isQuiet: (node) => this.#presence.isQuiet(node),
    });
    this.#drain = drainOf({
      options,
      logger,
      endpoint: this.#endpoint,
      tunnels: this.#tunnels,
      callers: this.#callers,
      cloudStreams: this.#cloudStreams,
      presence: this.#presence,
      serving: () => this.#serving,
      closeFronts: () => this.#frontSide.drain(),
    });
    this.#fleetNews = new FleetNews({
      nodes: () => this.#presence.nodes(),
      sessions: () => [...this.#tunnels.all()].map(({ session }) => session),
    });
    this.#clientSide = this.#makeClientSide();
  }

  get ports(): { connect: number; http: number; tunnel: number; link: number } {
    return {
      ...this.#frontSide.ports,
      tunnel: this.#clientSide.port,
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
      cloudHealth: this.#cloudHealth,
      guard: this.#guard,
      clientDesk: this.#clientDesk,
      health: this.#health,
      drain: () => void this.#drain.run(),
      logger: subsystemLogger(this.#parts.logger, 'bus'),
    });
    this.#subscriptions = [...desk, this.#health.listen()];
    await Promise.all([
      this.#certificates.own.start(signal),
      this.#certificates.identity.start(signal),
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
      'certificate from certstore': this.#certificates.own.current === null,
      'identity from certstore': this.#certificates.identity.current === null,
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
      certificate: this.#certificates.own,
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
      compression: this.#compression.counts,
    });
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** Where clients and nodes find this one, then the others, then callers. */
  async #listen(signal: AbortSignal): Promise<void> {
    const certificate = this.#certificates.own.current;
    if (certificate === null) return;
    await this.#fleetSide.listen();
    await this.#clientSide.listen(certificate);
    this.#presence.announce();
    await this.#fleetSide.join(signal);
    if (signal.aborted) return;
    await this.#frontSide.listen();
  }

  async #stop(): Promise<void> {
    this.#starting.abort();
    await this.#drain.run();
    this.#fleetNews.stop();
    await Promise.all([this.#followers.stop(), this.#presence.stop(), this.#certificates.held.stop()]);
    this.#frontSide.close();
    this.#clientSide.close();
    this.#links.close();
    this.#endpoint.close();
    for (const subscription of this.#subscriptions) subscription.close();
    this.#cloudHealth.close();
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
    this.#cloudHealth.handleRoute(id, route);
    if (route === undefined) this.#refusals.forget(id);
  }

  #handleTunnel(tunnel: Tunnel): void {
    this.#tunnels.add(tunnel);
    this.#guard.handleTunnel(tunnel);
    this.#certificates.forClients.handleTunnel(tunnel);
    this.#health.handleTunnel(tunnel);
    if (!tunnel.session.closed) this.#cloudBook.tell(tunnel);
  }

  #makeClientSide(): ClientSide {
    const { bus, options, logger } = this.#parts;
    return new ClientSide({
      bus,
      options,
      logger,
      bootId: this.#bootId,
      endpoint: this.#endpoint,
      certificate: this.#certificates.own,
      gates: this.#gates,
      turns: this.#turns,
      tunnels: this.#tunnels,
      metrics: this.#metrics,
      keys: this.#keys,
      policy: (gatewayId) => this.#followers.policy(gatewayId),
      aclInReach: () => this.#aclReach.inReach,
      nodes: () => this.#presence.nodes(),
      draining: () => this.#drain.active,
      onTunnel: (tunnel) => this.#handleTunnel(tunnel),
    });
  }

  #makeFleetSide(): FleetSide {
    const { bus, options, logger, version, alone } = this.#parts;
    return new FleetSide({
      bus,
      options,
      logger,
      bootId: this.#bootId,
      version,
      alone: alone === true,
      endpoint: this.#endpoint,
      identity: this.#certificates.identity,
      gate: this.#gates.link,
      metrics: this.#metrics,
      tunnelPort: () => this.#clientSide.port,
      describe: () => ({
        ready: this.ready().ready,
        draining: this.#drain.active,
        callers: this.#callers.size,
      }),
      onTunnelElsewhere: (tunnel) => {
        this.#guard.handleTunnelElsewhere(tunnel);
        this.#endpoint.seekPaths(tunnel.gatewayId);
      },
      onLink: () => this.#health.handleNode(),
      onNode: () => this.#fleetNews.look(),
    });
  }

  *#gatewayCounts(): Iterable<GatewayCounts> {
    for (const row of this.#callers.gateways(this.#followers.policies.items.keys()))
      yield { ...row, tunnels: [...this.#tunnels.of(row.gatewayId)].length };
  }

  #metricSources(): MetricSources {
    return {
      tunnels: () => this.#tunnels.byTransport(),
      callers: () => ({ open: this.#callers.size, opening: this.#callers.opening }),
      totals: () => this.#callers.totals(),
      gateways: () => this.#gatewayCounts(),
      refusals: () => this.#refusals.counts,
      links: () => this.#links.nodes.length,
      relayed: () => this.#relays.passedOn,
      handshakes: () => ({
        connect: this.#gates.connect.size,
        tunnel: this.#gates.tunnel.size,
        link: this.#gates.link.size,
      }),
      turns: () => this.#turns.counts,
      memory: () => this.#endpoint.memory,
      fronts: () => this.#frontSide.fronts.counts(),
      datagrams: () => this.#frontSide.fronts.datagrams(),
      cloud: () => ({ size: this.#cloudStreams.size, ...this.#cloudStreams.totals }),
      http: () => this.#callers.http,
      compression: () => this.#compression.counts,
    };
  }
}
