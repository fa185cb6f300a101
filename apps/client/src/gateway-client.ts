/**
 * One gateway of this client: carries out what its `TunnelKeeper` decides, takes the nodes' lists and commands, and lets
 * streams be served. The decisions are the keeper's, the calls and dials the source's; what is here is their wiring, and
 * the log.
 *
 *   keeper ──call, dial──► source ──► platform       nodes ──OPEN──► StreamServer ──► resource
 *      │◄─────────── events ───────┘                   └──CONTROL──► lists, end
 */
import type { AccessList } from '@postern/access';
import { Control, type NodeAddress } from '@postern/contracts';
import { type Logger, subsystemLogger } from '@postern/telemetry';
import {
  Endpoint,
  GoAwayCode,
  ResetCode,
  type Session,
  TunnelError,
  memoryLimits,
  memoryOfMachine,
} from '@postern/tunnel';
import { Compile } from 'typebox/compile';
import { AccessGuard, type SentRules } from './resource/access-guard.ts';
import { Certificates } from './resource/certificates.ts';
import { CloudDesk } from './cloud/cloud-desk.ts';
import { Diagnosis } from './resource/diagnosis.ts';
import type { ResourceParts } from '@postern/dial';
import type { GatewayClientOptions } from './gateway-options.ts';
import { HeldTunnels, quietest } from './keeper/held-tunnels.ts';
import { KeeperDriver } from './keeper/keeper-driver.ts';
import { StreamServer, clientEnd } from './resource/stream-server.ts';
import { TroubleLog } from './trouble-log.ts';
import { TokenWatch } from './token-watch.ts';
import type { GatewayCounts } from './metrics.ts';
import { TunnelSource, tellOwnRules } from './keeper/tunnel-source.ts';
import { WantedTunnels } from './keeper/wanted-tunnels.ts';

/** How long running streams may go on after the client was asked to stop. */
const drainMs = 30_000;

const controlCheck = Compile(Control);

/** Only a running program hears it, so it is another one. */
const sharedIdentity =
  'another program has this client’s identity, and they end each other’s tunnels: give each a state folder of its own, not a copy';

/** Connects one gateway and serves its streams. */
export class GatewayClient {
  readonly #options: GatewayClientOptions;
  readonly #logger: Logger;
  readonly #keeper: KeeperDriver;
  readonly #wanted: WantedTunnels;
  readonly #guard = new AccessGuard();
  readonly #streams: StreamServer;
  readonly #certificates: Certificates;
  readonly #diagnosis: Diagnosis;
  readonly #cloud: CloudDesk;
  readonly #trouble: TroubleLog;
  readonly #token: TokenWatch;
  readonly #abort = new AbortController();
  readonly #tunnels = new HeldTunnels();
  readonly #source: TunnelSource;
  #idle: (() => void) | null = null;
  #everUp = false;
  #stopping: Promise<void> | null = null;

  constructor(options: GatewayClientOptions) {
    this.#options = options;
    this.#logger = subsystemLogger(options.logger, 'tunnel');
    this.#trouble = new TroubleLog(this.#logger);
    this.#token = new TokenWatch(options.readToken, this.#logger, () => this.#handleOtherToken());
    const source = new TunnelSource({
      options,
      guard: this.#guard,
      token: this.#token,
      trouble: this.#trouble,
      logger: this.#logger,
      makeEndpoint: (clientId) => this.#makeEndpoint(clientId),
      signal: this.#abort.signal,
    });
    this.#source = source;
    this.#keeper = new KeeperDriver(options, {
      call: () => source.call(),
      explainCall: (error) => source.explainCall(error),
      dial: (action) => source.dial(action),
      explainDial: (action, error) => source.explainDial(action, error),
      onUp: (id, session) => this.#handleUp(id, session),
      drain: (id) => this.#drain(id, 'replaced by another tunnel'),
      onUsedUp: () => this.#handleUsedUp(),
    });
    this.#wanted = new WantedTunnels({
      call: () => source.call(),
      dial: (action) => source.dial(action),
      onUp: (id, session) => this.#handleUp(id, session),
      drain: (id, why) => this.#drain(id, why),
      onFailed: (node, error) =>
        this.#logger.debug({ node, error }, 'a tunnel that a node wanted was not made'),
    });
    this.#guard.setOwnList(options.ownList);
    const streamLogger = subsystemLogger(options.logger, 'stream');
    this.#certificates = new Certificates({
      ...options.sealing,
      logger: subsystemLogger(options.logger, 'certificate'),
      clientId: () => source.clientId,
      send: (control) => this.#sendAnywhere(control),
    });
    const resource: ResourceParts = {
      guard: this.#guard,
      hosts: options.hosts.of(options.gatewayId),
      material: (ids, signal) => this.#certificates.source(ids, signal),
      end: clientEnd,
    };
    this.#streams = new StreamServer({
      ...resource,
      logger: streamLogger,
      compression: options.compression,
      files: options.files,
      tracing: options.tracing,
      clientId: () => source.clientId ?? '',
    });
    this.#diagnosis = new Diagnosis({ resource, logger: streamLogger });
    this.#cloud = new CloudDesk({
      ...options,
      guard: this.#guard,
      material: resource.material,
      logger: subsystemLogger(options.logger, 'cloud'),
      sessions: () => this.#tunnels.all(),
      open: (session, metadata) => source.endpoint.open(session, metadata),
    });
  }

  /** How many tunnels take streams. */
  get tunnelCount(): number {
    return this.#tunnels.usableCount;
  }

  /** Begins, and never blocks. */
  start(): void {
    this.#token.start(() => this.checkToken());
    this.#keeper.step({ kind: 'wake' });
  }

  /** Where the token is another one by now, tunnels that it opens replace those at hand. Without tunnels the next call has it. */
  checkToken(): void {
    if (this.#stopping === null && this.#tunnels.size > 0) this.#token.check();
  }

  /** Takes the owner's list anew: tells the platform, and ends streams that it denies. */
  setOwnList(list: AccessList | null): void {
    this.#guard.setOwnList(list);
    for (const session of this.#tunnels.all()) tellOwnRules(session, this.#guard.ownRules);
    this.#recheck();
    this.#diagnosis.health.again();
  }

  /** What metrics show. */
  counts(): GatewayCounts {
    const { served, refused, bytesFromResource, bytesToResource } = this.#streams.counts;
    return {
      gatewayId: this.#options.gatewayId,
      tunnels: this.tunnelCount,
      streams: this.#streams.runningCount,
      dials: this.#streams.pendingCount,
      served,
      refused,
      bytesFromResource,
      bytesToResource,
    };
  }

  /** What `/status` and status lines show. */
  status(): object {
    return {
      gatewayId: this.#options.gatewayId,
      gatewayName: this.#source.gatewayName,
      clientId: this.#source.clientId,
      accessListRevision: this.#guard.revision,
      streams: this.#streams.runningCount,
      dials: this.#streams.pendingCount,
      certificates: this.#certificates.size,
      checks: this.#diagnosis.health.size,
      ...this.#streams.counts,
      cloud: this.#cloud.status(),
      tunnels: this.#tunnels.status(),
    };
  }

  /** Takes no new streams, lets those that run end within `drainMs`, then closes everything. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.#drainAndClose();
    return this.#stopping;
  }

  /** Ends everything at once. */
  kill(): void {
    this.#stopping ??= Promise.resolve();
    this.#close();
    this.#idle?.();
  }

  async #drainAndClose(): Promise<void> {
    this.#keeper.end();
    this.#wanted.end();
    this.#token.stop();
    this.#abort.abort(new Error('the client is stopping'));
    this.#cloud.stopListening();
    if (this.#tunnels.size > 0) {
      const { promise: idle, resolve } = Promise.withResolvers<void>();
      this.#idle = resolve;
      for (const session of this.#tunnels.all())
        session.goAway(GoAwayCode.ShuttingDown, 'the client is stopping');
      const timer = setTimeout(resolve, drainMs);
      await idle;
      clearTimeout(timer);
    }
    this.#close();
  }

  #close(): void {
    this.#keeper.end();
    this.#wanted.end();
    this.#token.stop();
    this.#abort.abort(new Error('the client is stopping'));
    this.#streams.close();
    this.#certificates.close();
    this.#diagnosis.close();
    this.#cloud.close();
    this.#source.close();
  }

  // ---- what becomes of tunnels

  #handleOtherToken(): void {
    this.#wanted.leaveAll();
    this.#keeper.step({ kind: 'renew' });
  }

  #handleUsedUp(): void {
    const reason = `no tunnel after ${this.#options.reconnect} tries: ${this.#trouble.last}`;
    this.#options.onEnd({ kind: 'usedUp', reason });
  }

  #drain(id: number, why: string): void {
    const session = this.#tunnels.get(id);
    if (session === undefined) return;
    this.#logger.info({ node: session.peer.id, transport: session.transport }, `a tunnel is left: ${why}`);
    this.#source.endpoint.moveStreams(session);
    session.goAway(GoAwayCode.ShuttingDown, why);
  }

  // ---- what sessions tell

  #makeEndpoint(clientId: string): Endpoint {
    const { identity, memoryShare } = this.#options;
    const { receiveBytesPerProcessMax, sendBytesPerProcessMax } = memoryLimits(memoryOfMachine());
    const share = (bytes: number): number => Math.floor(bytes * memoryShare);
    const endpoint: Endpoint = new Endpoint({
      self: { id: clientId, bootId: identity.bootId },
      limits: {
        receiveBytesPerProcessMax: share(receiveBytesPerProcessMax),
        sendBytesPerProcessMax: share(sendBytesPerProcessMax),
      },
      onOpen: (stream) => {
        if (this.#stopping !== null) stream.reset(ResetCode.ShuttingDown, 'the client is stopping');
        else void this.#streams.serve(stream);
      },
      onControl: (session, body) => this.#tunnels.whenUp(session, () => this.#handleControl(session, body)),
      onControlLost: (session, error) =>
        this.#logger.error({ node: session.peer.id, error }, 'a control frame is lost'),
      onGoAway: (session, text) => this.#tunnels.whenUp(session, () => this.#handleGoAway(session, text)),
      onSessionClose: (session, cause) => this.#handleClose(session, cause),
      findDetour: () => quietest(endpoint.sessions),
    });
    return endpoint;
  }

  #handleUp(id: number, session: Session): void {
    this.#tunnels.add(id, session);
    const { peer, transport, remoteAddress } = session;
    this.#logger.info({ node: peer.id, transport, remoteAddress }, 'a tunnel is up');
    this.#trouble.clear();
    this.#recheck();
    if (!this.#everUp) {
      this.#everUp = true;
      this.#options.onConnected(this.#source.clientId ?? '');
    }
  }

  #handleControl(session: Session, body: unknown): void {
    // A newer node may say what this version does not know.
    const unknown = 'a control frame of a kind that is not known here';
    if (!controlCheck.Check(body)) return this.#logger.debug({ node: session.peer.id }, unknown);
    switch (body.kind) {
      case 'accessList':
        return this.#takeList(session, body);
      case 'end':
        this.#logger.warn({ reason: body.reason }, 'the platform ended this client');
        return this.#options.onEnd({ kind: 'ended', reason: body.reason });
      case 'cloudDestinations':
        return this.#cloud.take(session, body);
      case 'fleet':
        return this.#handleFleet(session, body.nodes);
      case 'move':
        return this.#handleMove(session, body);
      case 'tunnelWanted':
        return this.#handleWanted(body.node);
      default:
        if (!this.#certificates.handleControl(session, body)) this.#diagnosis.handleControl(session, body);
    }
  }

  #sendAnywhere(control: Control): boolean {
    const session = quietest(this.#tunnels.all());
    session?.sendControl(control);
    return session !== null;
  }

  #recheck(): void {
    this.#streams.recheck();
    this.#cloud.recheck();
  }

  #takeList(session: Session, sent: SentRules): void {
    const id = this.#tunnels.idOf(session);
    if (id === null) return;
    try {
      this.#guard.setGatewayList(id, sent);
      const { revision, rules } = sent;
      this.#logger.info({ revision, rules: rules.length }, 'the gateway has another access list');
      this.#recheck();
      this.#diagnosis.health.again();
    } catch (error) {
      session.destroy(
        new TunnelError('TUNNEL_PROTOCOL_VIOLATED', 'the access list cannot be read', { cause: error }),
      );
    }
  }

  #handleFleet(session: Session, nodes: readonly NodeAddress[]): void {
    this.#logger.debug(
      { node: session.peer.id, nodes: nodes.map(({ node }) => node) },
      'the nodes are others',
    );
    if (this.#stopping === null && nodes.length > 0) this.#keeper.step({ kind: 'fleet', nodes });
  }

  #handleMove(session: Session, { nodes, withinMs, reason }: Control & { kind: 'move' }): void {
    const id = this.#tunnels.idOf(session);
    this.#logger.info(
      { node: session.peer.id, to: nodes[0]?.node, reason },
      'a node asks for another tunnel',
    );
    if (id === null || this.#stopping !== null || this.#wanted.leave(id)) return;
    this.#keeper.step({ kind: 'moveAsked', id, nodes, withinMs });
  }

  /** Only straight to the node: a WebSocket ends where the platform’s balancer likes. */
  #handleWanted(address: NodeAddress): void {
    const sessions = [...this.#tunnels.all()].filter(({ usable }) => usable);
    const isDirect = sessions.some(({ transport }) => transport !== 'websocket');
    if (this.#stopping !== null || !isDirect || sessions.some(({ peer }) => peer.id === address.node)) return;
    this.#logger.info({ node: address.node }, 'a node that has much relayed wants a tunnel of its own');
    this.#wanted.want(address);
  }

  #handleGoAway(session: Session, text: string): void {
    const id = this.#tunnels.idOf(session);
    if (id === null) return;
    const node = session.peer.id;
    if (text.startsWith('EDGE_CLIENT_RESTARTED')) this.#logger.warn({ node }, sharedIdentity);
    else this.#logger.info({ node, reason: text }, 'a node takes no more streams on a tunnel');
    if (!this.#wanted.forget(id) && this.#stopping === null)
      this.#keeper.step({ kind: 'tunnelDraining', id });
  }

  #handleClose(session: Session, cause: TunnelError): void {
    this.#certificates.forgetTunnel(session);
    this.#diagnosis.forgetTunnel(session);
    const id = this.#tunnels.remove(session);
    this.#cloud.forget(session);
    if (id === null) return;
    this.#guard.forgetTunnel(id);
    this.#logger.info(
      { node: session.peer.id, transport: session.transport, code: cause.code, reason: cause.message },
      'a tunnel has ended',
    );
    if (this.#tunnels.size === 0) this.#idle?.();
    if (!this.#wanted.forget(id) && this.#stopping === null) this.#keeper.step({ kind: 'tunnelDown', id });
  }
}
