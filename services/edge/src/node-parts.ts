/**
 * The parts of a node, each with what it needs of the others; edge.ts brings them to life. They are made in one piece,
 * because nearly all of them meet: what comes in by one side goes out by another.
 */
import { randomUUID } from 'node:crypto';
import type { Bus } from '@postern/bus';
import { type Control, type NodeBeat, type Policy, type Route, certificateFeed } from '@postern/contracts';
import { halfOf } from '@postern/share';
import { type Logger, type Metrics, type Tracing, subsystemLogger } from '@postern/telemetry';
import {
  Compression,
  Endpoint,
  type Limits,
  ResetCode,
  type Session,
  compressedStreamsMax,
  linkScope,
} from '@postern/tunnel';
import { httpBounds } from '@postern/exchange';
import { AclReach } from './access/acl-reach.ts';
import { Balancers } from './balancers.ts';
import { Callers } from './callers.ts';
import { CloudSide } from './cloud/cloud-side.ts';
import type { EdgeOptions } from './config.ts';
import { ClientDesk } from './client/client-desk.ts';
import { ClientSide } from './client/client-side.ts';
import { Drain } from './drain.ts';
import { FleetNews } from './client/fleet-news.ts';
import { FleetSide } from './fleet/fleet-side.ts';
import { Followers } from './followers.ts';
import { FrontSide } from './caller/front-side.ts';
import type { Fronts } from './caller/fronts.ts';
import { FilePlaces } from './gate/file-places.ts';
import { type GatedPort, makeGates } from './gate/gates.ts';
import { Guard } from './guard.ts';
import type { HandshakeGate } from './gate/handshake-gate.ts';
import { type FailingDestination, Health } from './client/health.ts';
import type { Links } from './fleet/links.ts';
import { type EdgeMetrics, type ShownParts, edgeMetrics } from './metrics.ts';
import { NodeCertificates } from './node-certificates.ts';
import type { Presence } from './fleet/presence.ts';
import { RelayedLoad } from './fleet/relayed-load.ts';
import { Relays, tracedRelay } from './fleet/relays.ts';
import { Refusals } from './caller/refusals.ts';
import { TicketKeys } from './client/ticket-keys.ts';
import { streamMemory } from './stream-memory.ts';
import { Traces } from './traces.ts';
import { TunnelGaps } from './caller/tunnel-gaps.ts';
import { type Tunnel, Tunnels } from './client/tunnels.ts';
import { Turns } from './gate/turns.ts';

/** What a node is made of. */
export interface EdgeParts {
  options: EdgeOptions;
  bus: Bus;
  logger: Logger;
  metrics: Metrics;
  version: string;
  /** There are no other nodes (standalone): no link port, no relays. */
  alone?: boolean;
  /** Ports of the processes of this machine, which all listen on the connect port and the fronts; none where this is the only one. */
  machinePorts?: ReadonlySet<number> | null;
  /** Null where no traces are wanted. */
  tracing?: Tracing | null;
  /** How many nodes this one's machine has; 1 unless given. */
  workers?: number;
  /** Bounds of the tunnels, for tests. */
  limits?: Partial<Limits>;
  /** How long after its start callers wait for clients to come back, for tests. */
  startGapMs?: number;
}

/** How far the node's life has come. */
export interface NodeLife {
  /** It takes tunnels and callers. */
  ready(): boolean;
  /** The others have heard that it does. */
  serving(): boolean;
}

/** All parts of one node. */
export class NodeParts implements ShownParts {
  readonly bootId = randomUUID();
  /** What it was made with. */
  readonly given: EdgeParts;
  readonly #life: NodeLife;
  readonly endpoint: Endpoint;
  readonly followers: Followers;
  readonly fleetSide: FleetSide;
  readonly presence: Presence;
  readonly tunnels: Tunnels;
  readonly gaps: TunnelGaps;
  readonly clientDesk: ClientDesk;
  readonly clientSide: ClientSide;
  readonly health: Health;
  readonly refusals: Refusals;
  readonly callers: Callers;
  readonly frontSide: FrontSide;
  readonly compression = new Compression(compressedStreamsMax, halfOf(compressedStreamsMax));
  readonly cloud: CloudSide;
  readonly guard: Guard;
  readonly aclReach: AclReach;
  readonly keys: TicketKeys;
  readonly links: Links;
  readonly relays: Relays;
  readonly relayedLoad: RelayedLoad;
  readonly drain: Drain;
  readonly fleetNews: FleetNews;
  readonly gates: Record<GatedPort, HandshakeGate>;
  readonly turns: Turns;
  readonly certificates: NodeCertificates;
  readonly metrics: EdgeMetrics;

  constructor(parts: EdgeParts, life: NodeLife) {
    this.given = parts;
    this.#life = life;
    const { options, bus, logger } = parts;
    this.metrics = edgeMetrics(parts.metrics, () => this);
    this.gaps = new TunnelGaps(undefined, parts.startGapMs);
    const { tracing = null } = parts;
    const traces = tracing === null ? null : new Traces(tracing, options);
    this.gates = makeGates(options, (port, cause) => this.metrics.evicted(port, cause));
    this.turns = new Turns({ atOnceMax: options.handshakesAtOnce, waitingMax: options.handshakesMax });
    this.endpoint = new Endpoint({
      self: { id: options.name, bootId: this.bootId },
      limits: { ...streamMemory(parts.workers ?? 1), ...parts.limits },
      onOpen: (stream, session) => {
        // Dials nothing in this turn; what the guard ends is then told and counted as any other.
        void this.cloud.streams.serve(stream);
        if (session.peer.scope === linkScope) this.guard.handleRelayed(stream);
      },
      onControl: (session, body) => {
        if (!this.links.handleControl(session, body)) this.tunnels.handleControl(session, body);
      },
      onControlLost: (session, error) =>
        logger.error({ peer: session.peer.id, error }, 'a control frame is lost'),
      onSessionClose: (session, cause) => {
        this.tunnels.remove(session, cause);
        this.cloud.book.forget(session);
        this.#handleLoss(session);
        this.links.handleClose(session, cause);
      },
      onGoAway: (session) => {
        this.#handleLoss(session);
        this.links.handleGoAway(session);
      },
      relayTo: (session, { scope, to }) => this.relays.onward(session, scope, to),
      findDetour: (stream) => this.relays.detour(stream),
      ...(traces === null ? {} : { onRelay: (metadata, to) => tracedRelay(traces, metadata, to) }),
    });
    this.followers = new Followers({
      bus,
      logger: subsystemLogger(logger, 'followers'),
      onRoute: (id, gatewayId, route) => this.#handleRoute(id, gatewayId, route),
      onRoutes: (gatewayId) => {
        this.cloud.book.tellAll(gatewayId);
        this.guard.handleRoutes(gatewayId);
      },
      onPolicy: (id) => {
        this.guard.handlePolicy(id);
        this.cloud.health.again(id);
      },
    });
    this.certificates = new NodeCertificates({
      bus,
      options,
      tunnels: (gatewayId) => this.tunnels.of(gatewayId),
      onChange: () => this.callers.http.handleRevisions(),
      logger: subsystemLogger(logger, 'certificate'),
    });
    this.fleetSide = this.#makeFleetSide();
    this.presence = this.fleetSide.presence;
    this.links = this.fleetSide.links;
    this.tunnels = new Tunnels(
      this.presence,
      subsystemLogger(logger, 'tunnels'),
      (tunnel, body) => this.#handleControl(tunnel, body),
      (gatewayId) => this.callers.judgeAgain(gatewayId),
    );
    this.clientDesk = new ClientDesk(this.tunnels);
    this.health = new Health({
      bus,
      node: options.name,
      tunnels: this.tunnels,
      logger: subsystemLogger(logger, 'health'),
    });
    this.refusals = new Refusals(subsystemLogger(logger, 'callers'));
    const balancers = new Balancers(options);
    const files = new FilePlaces();
    this.callers = new Callers({
      bounds: options,
      files,
      http: httpBounds(options),
      trusts: (address) => balancers.trusts(address),
      policy: (gatewayId) => this.#policy(gatewayId),
      route: (destinationId) => this.followers.routes.get(destinationId),
      revisions: this.certificates.held,
      named: (host) => this.frontSide.fronts.httpNames.find(host),
      upstreams: (gatewayId) => this.relays.upstreams(gatewayId),
      ownList: (gatewayId, client) => this.relays.ownList(gatewayId, client),
      isWell: (clientId, destinationId) => this.health.isWell(clientId, destinationId),
      waitForTunnel: this.gaps.wait,
      compression: this.compression,
      refusals: this.refusals,
      traces,
      onAnswered: (request) => this.metrics.answered(request),
      logger: subsystemLogger(logger, 'callers'),
    });
    this.cloud = new CloudSide({
      options,
      logger,
      compression: this.compression,
      files,
      refusals: this.refusals,
      traces,
      material: (ids) => this.certificates.held.source(ids),
      tunnels: (gatewayId) => this.tunnels.of(gatewayId),
      policy: (gatewayId) => this.#policy(gatewayId),
      route: (destinationId) => this.followers.routes.get(destinationId),
      position: () => this.followers.routes.position,
    });
    this.aclReach = new AclReach(bus);
    this.keys = new TicketKeys({ bus, logger: subsystemLogger(logger, 'tickets') });
    this.frontSide = new FrontSide({
      bus,
      options,
      machinePorts: parts.machinePorts ?? null,
      logger,
      callers: this.callers,
      refusals: this.refusals,
      gates: this.gates,
      policy: (gatewayId) => this.#policy(gatewayId),
      route: (destinationId) => this.followers.routes.get(destinationId),
      routes: () => this.followers.routes.items.values(),
      draining: () => this.drain.closed,
      certificates: this.certificates.held,
      certificate: this.certificates.own,
      serve: (caller) => this.callers.serve(caller),
      serveNameless: (caller) => this.callers.http.acceptNameless(caller),
      servePlatform: (connection) => this.clientSide.serve(connection),
    });
    this.relays = new Relays({
      endpoint: this.endpoint,
      tunnels: this.tunnels,
      policy: (gatewayId) => this.#policy(gatewayId),
      linkTo: (node) => this.links.to(node),
      elsewhere: (gatewayId) => this.presence.elsewhere(gatewayId),
      clientElsewhere: (gatewayId, clientId) => this.presence.clientElsewhere(gatewayId, clientId),
      isQuiet: (node) => this.presence.isQuiet(node),
    });
    this.relayedLoad = new RelayedLoad({
      endpoint: this.endpoint,
      bytesPerSecondMax: options.relayedBytesPerSecondMax,
      links: () => this.links.all(),
      nodes: () => this.presence.nodes(),
      tunnelOf: (gatewayId, client) => this.relays.tunnelOf(gatewayId, client),
      draining: () => this.drain.active,
      logger: subsystemLogger(logger, 'links'),
    });
    this.guard = new Guard({
      tunnels: this.tunnels,
      callers: this.callers,
      relays: this.relays,
      resetRelayed: (session, text) => this.endpoint.resetRelayed(session, ResetCode.Disabled, text),
      cloudStreams: this.cloud.streams,
      streamCountOf: (gatewayId, clientId) => this.endpoint.streamCountOf(gatewayId, clientId),
      policy: (gatewayId) => this.#policy(gatewayId),
      epoch: () => this.followers.policies.position.epoch,
      untilTaken: (tunnel) => this.clientDesk.untilTaken(tunnel),
      logger: subsystemLogger(logger, 'guard'),
    });
    this.drain = new Drain({
      options,
      logger: subsystemLogger(logger, 'drain'),
      endpoint: this.endpoint,
      tunnels: this.tunnels,
      callers: this.callers,
      cloudStreams: this.cloud.streams,
      presence: this.presence,
      serving: () => life.serving(),
      closeFronts: () => this.frontSide.drain(),
    });
    this.fleetNews = new FleetNews({
      nodes: () => this.presence.nodes(),
      sessions: () => [...this.tunnels.all()].map(({ session }) => session),
    });
    this.clientSide = this.#makeClientSide();
  }

  get fronts(): Fronts {
    return this.frontSide.fronts;
  }

  /** Resolves when what the owners have now is in force here, with whether they could be asked; `gatewayId` says whose clients count: null for nobody's, undefined for all. */
  async catchUp(gatewayId: string | null | undefined): Promise<boolean> {
    const fetched = await this.followers.catchUp();
    await Promise.all([
      this.certificates.held.catchUp(),
      this.frontSide.settled(),
      this.cloud.book.followed(gatewayId),
      this.guard.listsTaken(gatewayId),
    ]);
    return fetched && !this.certificates.held.isBehind;
  }

  /** Destinations that nobody reaches, as this node sees them. */
  failing(): FailingDestination[] {
    const clientsOf = (gatewayId: string): string[] => [
      ...[...this.tunnels.of(gatewayId)].map(({ clientId }) => clientId),
      ...this.presence.elsewhere(gatewayId).map(({ tunnel }) => tunnel.clientId),
    ];
    return [...this.health.failing(clientsOf), ...this.cloud.health.failing()];
  }

  #behind(): Pick<NodeBeat, 'behind'> {
    const { held } = this.certificates;
    const behind = [...this.followers.behind, ...(held.isBehind ? [certificateFeed.name] : [])];
    return behind.length === 0 ? {} : { behind };
  }

  #policy(gatewayId: string): Policy | undefined {
    return this.followers.policies.get(gatewayId);
  }

  /** A client says something. */
  #handleControl(tunnel: Tunnel, body: Control): void {
    if (body.kind === 'materialWanted') void this.certificates.forClients.handleWanted(tunnel, body);
    else if (body.kind === 'cloudListeners') this.cloud.book.setStates(tunnel, body.listeners, body.revision);
    else if (!this.clientDesk.handleControl(tunnel, body)) this.health.handleControl(tunnel, body);
  }

  /** A destination is new or another, or gone. */
  #handleRoute(id: string, gatewayId: string, route: Route | undefined): void {
    this.certificates.handleRoute(id, gatewayId, route);
    this.frontSide.apply(id, route);
    this.cloud.apply(id, gatewayId, route);
    this.health.handleRoute(id, gatewayId, route);
    if (route === undefined) this.refusals.forget(id);
  }

  #handleTunnel(tunnel: Tunnel): void {
    this.tunnels.add(tunnel);
    this.guard.handleTunnel(tunnel);
    this.certificates.forClients.handleTunnel(tunnel);
    this.health.handleTunnel(tunnel);
    if (tunnel.session.closed) return;
    // What resumes over it was let in by the list of before.
    if (tunnel.ownList?.hasPaths === true) this.callers.judgeAgain(tunnel.gatewayId);
    this.cloud.book.tell(tunnel);
    this.gaps.handleTunnel(tunnel.gatewayId);
    this.relayedLoad.handleTunnel(tunnel);
  }

  /** A tunnel, or a link, is closed or takes no more. */
  #handleLoss({ peer }: Session): void {
    if (peer.scope !== linkScope) this.gaps.handleLoss(peer.scope);
  }

  /** With a link go the ways through its node. */
  #handleLink(node: string, isUp: boolean): void {
    if (isUp) this.health.handleNode();
    for (const gatewayId of this.presence.gatewaysOf(node)) {
      if (isUp) this.gaps.handleTunnel(gatewayId);
      else this.gaps.handleLoss(gatewayId);
    }
  }

  #makeClientSide(): ClientSide {
    const { bus, options, logger } = this.given;
    return new ClientSide({
      bus,
      options,
      logger,
      bootId: this.bootId,
      endpoint: this.endpoint,
      certificate: this.certificates.own,
      gates: this.gates,
      turns: this.turns,
      tunnels: this.tunnels,
      metrics: this.metrics,
      keys: this.keys,
      policy: (gatewayId) => this.followers.policy(gatewayId),
      epoch: () => this.followers.policies.position.epoch,
      aclInReach: () => this.aclReach.inReach,
      nodes: () => this.presence.nodes(),
      draining: () => this.drain.active,
      onTunnel: (tunnel) => this.#handleTunnel(tunnel),
    });
  }

  #makeFleetSide(): FleetSide {
    const { bus, options, logger, version, alone } = this.given;
    return new FleetSide({
      bus,
      options,
      logger,
      bootId: this.bootId,
      version,
      alone: alone === true,
      endpoint: this.endpoint,
      identity: this.certificates.identity,
      gate: this.gates.link,
      metrics: this.metrics,
      tunnelPort: () => this.clientSide.port,
      describe: () => ({
        ready: this.#life.ready(),
        draining: this.drain.active,
        callers: this.callers.size,
        ...this.#behind(),
      }),
      onTunnelElsewhere: (tunnel) => {
        this.guard.handleTunnelElsewhere(tunnel);
        if (tunnel.ownRules?.some(({ path }) => path !== undefined) === true)
          this.callers.judgeAgain(tunnel.gatewayId);
        this.endpoint.seekPaths(tunnel.gatewayId);
        this.gaps.handleTunnel(tunnel.gatewayId);
      },
      onLossElsewhere: (gatewayId) => this.gaps.handleLoss(gatewayId),
      onOwnRulesElsewhere: (gatewayId) => this.callers.judgeAgain(gatewayId),
      onLink: (node, isUp) => this.#handleLink(node, isUp),
      onTunnelWanted: (node, gatewayId, client) => this.relayedLoad.handleWanted(node, gatewayId, client),
      onNode: () => this.fleetNews.look(),
    });
  }
}
