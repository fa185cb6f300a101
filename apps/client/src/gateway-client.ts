/**
 * One gateway of this client: carries out what its `TunnelKeeper` decides. It makes first calls, dials, takes the nodes'
 * lists and commands, and lets streams be served. The decisions are the keeper's; the sockets are the dialer's; what is
 * here is their wiring, and the log.
 *
 *   keeper ──call──► connector ──► dialer            nodes ──OPEN──► StreamServer ──► resource
 *      │◄─────────── events ───────┘                   └──CONTROL──► lists, end
 */
import assert from 'node:assert/strict';
import { Control, type ConnectAnswer, type NodeAddress } from '@postern/contracts';
import { type Logger, subsystemLogger } from '@postern/telemetry';
import {
  type Compression,
  Endpoint,
  GoAwayCode,
  ResetCode,
  type Session,
  TunnelError,
  defaultLimits,
} from '@postern/tunnel';
import { Compile } from 'typebox/compile';
import type { AccessList } from '@postern/access';
import type { HttpBounds } from '@postern/exchange';
import { AccessGuard } from './access-guard.ts';
import { Certificates, type CertificatesParts } from './certificates.ts';
import { CloudDesk } from './cloud/cloud-desk.ts';
import { callPlatform } from './connector.ts';
import { Diagnosis } from './diagnosis.ts';
import type { Dialer } from './dialer.ts';
import { type ResourceParts, errorText } from '@postern/dial';
import { ClientError } from './errors.ts';
import { type HandshakeOptions, dialFailure } from './handshake.ts';
import type { Hosts } from '@postern/dial';
import type { Identity } from './identity.ts';
import { StreamServer, clientEnd } from './stream-server.ts';
import type { KeeperAction, KeeperEvent, KeeperOptions } from './keeper-event.ts';
import { TunnelKeeper } from './tunnel-keeper.ts';
import { TroubleLog } from './trouble-log.ts';
import type { GatewayCounts } from './metrics.ts';
import type { TracingSource } from './traces.ts';
import { openTunnel, wayText } from './tunnel-opener.ts';

/** How long running streams may go on after the client was asked to stop. */
export const drainMs = 30_000;

/** How often the token's file is looked at while all is well. */
const tokenCheckMs = 5_000;

const controlCheck = Compile(Control);

/** Answers that mean: this gateway and token will not do, until somebody changes them. */
const refusalStatuses: ReadonlySet<number> = new Set([401, 403]);
/** The one of them that may pass by itself: the gateway can be enabled again. */
const gatewayDisabledCode = 'ACL_GATEWAY_DISABLED';

/** How a gateway's client came to its end. */
export type GatewayEnd = { kind: 'ended' | 'usedUp'; reason: string };

/** What one gateway's client is made with. */
export interface GatewayClientOptions extends Omit<KeeperOptions, 'random'> {
  readonly gatewayId: string;
  readonly readToken: () => string | null;
  readonly ownList: AccessList | null;
  readonly identity: Identity;
  readonly facts: { name: string; version: string; platform: string };
  readonly dialer: Dialer;
  readonly hosts: Hosts;
  /** The process's, shared by its gateways. */
  readonly compression: Compression;
  /** This process's key for what is sealed to it, and whom it believes. */
  readonly sealing: Pick<CertificatesParts, 'sealing' | 'trust'>;
  /** The address on which callers of cloud destinations are taken, and how many at once. */
  readonly listenHost: string;
  readonly callersMax: number;
  /** The bounds of HTTP with callers of cloud destinations. */
  readonly http: HttpBounds;
  /** The part of the process's tunnel memory that this gateway may use. */
  readonly memoryShare: number;
  readonly logger: Logger;
  /** Null where no traces are wanted. */
  readonly tracing: TracingSource;
  /** The first tunnel is up. */
  readonly onConnected: (clientId: string) => void;
  /** The platform refused the last first call, or (null) no longer does. */
  readonly onRefused: (reason: string | null) => void;
  readonly onEnd: (end: GatewayEnd) => void;
}

/** Connects one gateway and serves its streams. */
export class GatewayClient {
  readonly #options: GatewayClientOptions;
  readonly #logger: Logger;
  readonly #keeper: TunnelKeeper;
  readonly #guard = new AccessGuard();
  readonly #streams: StreamServer;
  readonly #certificates: Certificates;
  readonly #diagnosis: Diagnosis;
  readonly #cloud: CloudDesk;
  readonly #trouble: TroubleLog;
  readonly #abort = new AbortController();
  readonly #tunnels = new Map<number, Session>();
  #endpoint: Endpoint | null = null;
  #gateway: ConnectAnswer['gateway'] | null = null;
  #timer: NodeJS.Timeout | undefined;
  #tokenTimer: NodeJS.Timeout | undefined;
  /** The one that the last first call showed. */
  #shownToken: string | null = null;
  #idle: (() => void) | null = null;
  #everUp = false;
  #stopping: Promise<void> | null = null;

  constructor(options: GatewayClientOptions) {
    this.#options = options;
    this.#logger = subsystemLogger(options.logger, 'tunnel').child({ gatewayId: options.gatewayId });
    this.#keeper = new TunnelKeeper({ ...options, random: Math.random });
    this.#guard.setOwnList(options.ownList);
    const streamLogger = subsystemLogger(options.logger, 'stream').child({ gatewayId: options.gatewayId });
    this.#certificates = new Certificates({
      ...options.sealing,
      logger: subsystemLogger(options.logger, 'certificate').child({ gatewayId: options.gatewayId }),
      clientId: () => this.#endpoint?.self.id ?? null,
      send: (control) => this.#sendAnywhere(control),
    });
    const resource: ResourceParts = {
      guard: this.#guard,
      hosts: options.hosts,
      material: (ids, signal) => this.#certificates.source(ids, signal),
      end: clientEnd,
    };
    this.#streams = new StreamServer({
      ...resource,
      logger: streamLogger,
      compression: options.compression,
      tracing: options.tracing,
      clientId: () => this.#endpoint?.self.id ?? '',
    });
    this.#diagnosis = new Diagnosis({ resource, logger: streamLogger });
    this.#cloud = new CloudDesk({
      ...options,
      guard: this.#guard,
      material: resource.material,
      logger: subsystemLogger(options.logger, 'cloud').child({ gatewayId: options.gatewayId }),
      sessions: () => this.#tunnels.values(),
      open: (session, metadata) => this.#endpointNow().open(session, metadata),
    });
    this.#trouble = new TroubleLog(this.#logger);
  }

  /** How many tunnels take streams. */
  get tunnelCount(): number {
    return [...this.#tunnels.values()].filter(({ usable }) => usable).length;
  }

  /** Begins, and never blocks. */
  start(): void {
    this.#tokenTimer = setInterval(() => this.checkToken(), tokenCheckMs).unref();
    this.#step({ kind: 'wake' });
  }

  /** Where the token is another one by now, tunnels that it opens replace those at hand. Without tunnels the next call has it. */
  checkToken(): void {
    if (this.#stopping !== null || this.#tunnels.size === 0) return;
    let token: string | null = null;
    try {
      token = this.#options.readToken();
    } catch (error) {
      return this.#logger.debug({ error }, 'the security token cannot be read anew');
    }
    if (token === this.#shownToken) return;
    this.#shownToken = token;
    this.#logger.info('the security token is another one: tunnels are replaced one by one');
    this.#step({ kind: 'renew' });
  }

  /** Takes the owner's list anew: tells the platform, and ends streams that it denies. */
  setOwnList(list: AccessList | null): void {
    this.#guard.setOwnList(list);
    for (const session of this.#tunnels.values()) this.#tellOwnRules(session);
    this.#recheck();
  }

  /** What `/status` and status lines show. */
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

  status(): object {
    return {
      gatewayId: this.#options.gatewayId,
      gatewayName: this.#gateway?.name ?? null,
      clientId: this.#endpoint?.self.id ?? null,
      accessListRevision: this.#guard.revision,
      streams: this.#streams.runningCount,
      dials: this.#streams.pendingCount,
      certificates: this.#certificates.size,
      checks: this.#diagnosis.health.size,
      ...this.#streams.counts,
      cloud: this.#cloud.status(),
      tunnels: [...this.#tunnels.values()].map((session) => ({
        node: session.peer.id,
        transport: session.transport,
        streams: session.streamCount,
        roundTripMs: session.roundTripMs,
      })),
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
    clearTimeout(this.#timer);
    clearInterval(this.#tokenTimer);
    this.#abort.abort(new Error('the client is stopping'));
    this.#cloud.stopListening();
    if (this.#tunnels.size > 0) {
      const { promise: idle, resolve } = Promise.withResolvers<void>();
      this.#idle = resolve;
      for (const session of this.#tunnels.values())
        session.goAway(GoAwayCode.ShuttingDown, 'the client is stopping');
      const timer = setTimeout(resolve, drainMs);
      await idle;
      clearTimeout(timer);
    }
    this.#close();
  }

  #close(): void {
    this.#keeper.end();
    clearTimeout(this.#timer);
    clearInterval(this.#tokenTimer);
    this.#abort.abort(new Error('the client is stopping'));
    this.#streams.close();
    this.#certificates.close();
    this.#diagnosis.close();
    this.#cloud.close();
    this.#endpoint?.close();
  }

  // ---- the keeper's hands

  #step(event: KeeperEvent): void {
    for (const action of this.#keeper.step(event, performance.now())) this.#act(action);
    this.#schedule();
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    const { wakeAt } = this.#keeper;
    if (wakeAt === null || this.#stopping !== null) return;
    this.#timer = setTimeout(
      () => this.#step({ kind: 'wake' }),
      Math.max(0, Math.ceil(wakeAt - performance.now())),
    );
  }

  #act(action: KeeperAction): void {
    switch (action.kind) {
      case 'call':
        return void this.#call();
      case 'dial':
        return void this.#dial(action);
      case 'drain':
        return this.#drain(action.id);
      case 'usedUp':
        return this.#options.onEnd({
          kind: 'usedUp',
          reason: `no tunnel after ${this.#options.reconnect} tries: ${this.#trouble.last}`,
        });
    }
  }

  async #call(): Promise<void> {
    const { gatewayId, identity, facts, dialer } = this.#options;
    try {
      const body = { gatewayId, bootId: identity.bootId, publicKey: identity.publicKey, facts };
      const admission = await callPlatform(dialer, body, await this.#readToken(), this.#abort.signal);
      this.#gateway = admission.gateway;
      this.#endpoint ??= this.#makeEndpoint(admission.clientId);
      if (this.#endpoint.self.id !== admission.clientId) {
        throw new ClientError(
          'CLIENT_ANSWER_MALFORMED',
          `the platform calls this client ${admission.clientId} now, and ${this.#endpoint.self.id} before`,
        );
      }
      this.#options.onRefused(null);
      this.#step({ kind: 'callAnswered', grant: admission.grant });
    } catch (error) {
      if (this.#stopping === null) this.#handleCallFailed(error);
    }
  }

  /** Async, so that what fails is never handled in the middle of a step. */
  async #readToken(): Promise<string | null> {
    try {
      this.#shownToken = this.#options.readToken();
      return this.#shownToken;
    } catch (error) {
      throw new ClientError('CLIENT_TOKEN_FILE', `the security token cannot be read: ${errorText(error)}`, {
        cause: error,
      });
    }
  }

  #handleCallFailed(error: unknown): void {
    const known = error instanceof ClientError ? error : null;
    const refused = known !== null && known.platformCode !== null && refusalStatuses.has(known.status ?? 0);
    this.#trouble.tell('the first call failed', error);
    this.#options.onRefused(refused && known.platformCode !== gatewayDisabledCode ? known.message : null);
    this.#step({
      kind: 'callFailed',
      cause: refused ? 'refused' : 'unanswered',
      retryAfterMs: known?.retryAfterMs ?? 0,
    });
  }

  async #dial(action: KeeperAction & { kind: 'dial' }): Promise<void> {
    const { id, ticket, avoid } = action;
    const { identity, facts, gatewayId, dialer } = this.#options;
    const ownRules = this.#guard.ownRules;
    const onWelcome: HandshakeOptions['onWelcome'] = (_node, { accessList }) =>
      this.#guard.setGatewayList(id, accessList.revision, accessList.rules);
    const handshake = { identity, gatewayId, ticket, facts, avoid, ownRules, onWelcome };
    const endpoint = this.#endpoint;
    assert(endpoint !== null, 'a dial follows an answered call');
    try {
      const session = await openTunnel(dialer, action, endpoint, handshake, this.#abort.signal);
      this.#handleUp(id, session, ownRules);
    } catch (error) {
      this.#guard.forgetTunnel(id);
      if (this.#stopping === null) this.#handleDialFailed(action, error);
    }
  }

  #handleDialFailed(action: KeeperAction & { kind: 'dial' }, error: unknown): void {
    const failure = dialFailure(error);
    if (failure.cause === 'sameNode') this.#logger.debug({ error }, 'a tunnel to another node was not found');
    else this.#trouble.tell(`no tunnel by ${wayText(action, this.#options.dialer)}`, error);
    this.#step({ kind: 'dialFailed', id: action.id, ...failure });
  }

  #drain(id: number): void {
    const session = this.#tunnels.get(id);
    if (session === undefined) return;
    this.#logger.info({ node: session.peer.id, transport: session.transport }, 'a tunnel is replaced');
    this.#endpoint?.moveStreams(session);
    session.goAway(GoAwayCode.ShuttingDown, 'replaced by another tunnel');
  }

  // ---- what sessions tell

  #makeEndpoint(clientId: string): Endpoint {
    const { identity, memoryShare } = this.#options;
    const share = (bytes: number): number => Math.floor(bytes * memoryShare);
    const endpoint: Endpoint = new Endpoint({
      self: { id: clientId, bootId: identity.bootId },
      limits: {
        receiveBytesPerProcessMax: share(defaultLimits.receiveBytesPerProcessMax),
        sendBytesPerProcessMax: share(defaultLimits.sendBytesPerProcessMax),
      },
      onOpen: (stream) => {
        if (this.#stopping !== null) stream.reset(ResetCode.ShuttingDown, 'the client is stopping');
        else void this.#streams.serve(stream);
      },
      onControl: (session, body) => this.#handleControl(session, body),
      onGoAway: (session, text) => this.#handleGoAway(session, text),
      onSessionClose: (session, cause) => this.#handleClose(session, cause),
      findDetour: () => quietest(endpoint.sessions),
    });
    return endpoint;
  }

  #handleUp(id: number, session: Session, toldRules: AccessGuard['ownRules']): void {
    this.#tunnels.set(id, session);
    // Read anew while the handshake was under way.
    if (this.#guard.ownRules !== toldRules) this.#tellOwnRules(session);
    const { node, transport } = { node: session.peer.id, transport: session.transport };
    this.#logger.info({ node, transport, remoteAddress: session.remoteAddress }, 'a tunnel is up');
    this.#trouble.clear();
    this.#recheck();
    if (!this.#everUp) {
      this.#everUp = true;
      this.#options.onConnected(this.#endpoint?.self.id ?? '');
    }
    this.#step({ kind: 'dialUp', id, node });
  }

  #handleControl(session: Session, body: unknown): void {
    // A newer node may say what this version does not know.
    if (!controlCheck.Check(body))
      return this.#logger.debug(
        { node: session.peer.id },
        'a control frame of a kind that is not known here',
      );
    switch (body.kind) {
      case 'accessList':
        return this.#takeList(session, body.revision, body.rules);
      case 'end':
        this.#logger.warn({ reason: body.reason }, 'the platform ended this client');
        return this.#options.onEnd({ kind: 'ended', reason: body.reason });
      case 'cloudDestinations':
        return this.#cloud.take(session, body.revision, body.destinations);
      case 'fleet':
        return this.#handleFleet(session, body.nodes);
      case 'move':
        return this.#handleMove(session, body);
      default:
        if (!this.#certificates.handleControl(session, body)) this.#diagnosis.handleControl(session, body);
    }
  }

  #sendAnywhere(control: Control): boolean {
    const session = quietest(this.#tunnels.values());
    session?.sendControl(control);
    return session !== null;
  }

  #recheck(): void {
    this.#streams.recheck();
    this.#cloud.recheck();
  }

  #endpointNow(): Endpoint {
    assert(this.#endpoint !== null, 'a tunnel is an endpoint’s');
    return this.#endpoint;
  }

  #tellOwnRules(session: Session): void {
    const rules = this.#guard.ownRules;
    session.sendControl({ kind: 'ownRules', rules: rules === null ? null : [...rules] });
  }

  #takeList(session: Session, revision: number, rules: Parameters<AccessGuard['setGatewayList']>[2]): void {
    const id = this.#idOf(session);
    if (id === null) return;
    try {
      this.#guard.setGatewayList(id, revision, rules);
      this.#logger.info({ revision, rules: rules.length }, 'the gateway has another access list');
      this.#recheck();
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
    if (this.#stopping === null && nodes.length > 0) this.#step({ kind: 'fleet', nodes });
  }

  #handleMove(session: Session, { nodes, withinMs, reason }: Control & { kind: 'move' }): void {
    const id = this.#idOf(session);
    this.#logger.info(
      { node: session.peer.id, to: nodes[0]?.node, reason },
      'a node asks for another tunnel',
    );
    if (id !== null && this.#stopping === null) this.#step({ kind: 'moveAsked', id, nodes, withinMs });
  }

  #handleGoAway(session: Session, text: string): void {
    const id = this.#idOf(session);
    if (id === null) return;
    this.#logger.info({ node: session.peer.id, reason: text }, 'a node takes no more streams on a tunnel');
    if (this.#stopping === null) this.#step({ kind: 'tunnelDraining', id });
  }

  #handleClose(session: Session, cause: TunnelError): void {
    this.#certificates.forgetTunnel(session);
    this.#diagnosis.forgetTunnel(session);
    const id = this.#idOf(session);
    if (id !== null) this.#tunnels.delete(id);
    this.#cloud.forget(session);
    if (id === null) return;
    this.#guard.forgetTunnel(id);
    this.#logger.info(
      { node: session.peer.id, transport: session.transport, code: cause.code, reason: cause.message },
      'a tunnel has ended',
    );
    if (this.#tunnels.size === 0) this.#idle?.();
    if (this.#stopping === null) this.#step({ kind: 'tunnelDown', id });
  }

  #idOf(session: Session): number | null {
    for (const [id, one] of this.#tunnels) if (one === session) return id;
    return null;
  }
}

function quietest(sessions: Iterable<Session>): Session | null {
  let best: Session | null = null;
  for (const session of sessions) {
    if (session.usable && (best === null || session.streamCount < best.streamCount)) best = session;
  }
  return best;
}
