/**
 * All callers of this node: let in within the bounds, found again when a rule changes, counted. The only place that
 * knows every stream's owner, so what ends many at once (a gateway disabled, a token revoked) goes through here.
 */
import { randomUUID } from 'node:crypto';
import type { AccessList } from '@postern/access';
import type { FrontRoute, Policy, Route } from '@postern/contracts';
import type { AnsweredRequest, Logger } from '@postern/telemetry';
import { type Compression, type Flow, type ProcessName, ResetCode, socketEnd } from '@postern/tunnel';
import { RateLimit } from './admission.ts';
import type { AcceptedCaller, NamelessCaller } from './accepted-caller.ts';
import { CallerPlaces, type CallerPlacesBounds } from './caller-places.ts';
import { Caller, type CallerParts } from './caller.ts';
import type { CallerCause } from './errors.ts';
import { GatewayShares } from './gateway-shares.ts';
import { type EndedCaller, GatewayTotals } from './gateway-totals.ts';
import type { HttpBounds } from '@postern/exchange';
import { type HttpCounts, HttpDesk } from './http/http-desk.ts';
import type { Revisions } from './http/resource-names.ts';
import type { CallerAddress } from './judgement.ts';
import { proxyHeaderOf } from './proxy-out.ts';
import type { RunningCaller } from './running-caller.ts';
import type { Refusals } from './refusals.ts';
import type { Traces } from './traces.ts';
import type { WaitForTunnel } from './tunnel-gaps.ts';
import type { Upstream } from './upstream.ts';

const tickMs = 1_000;
const noBytes = { fromCaller: 0, toCaller: 0 };

/** The bounds of the fronts. */
export interface CallerBounds extends CallerPlacesBounds {
  connectionsPerSecondPerAddress: number;
  openingMax: number;
  addressesMax: number;
  flowIdleMs: number;
}

/** What callers need of the node. */
export interface CallersParts {
  bounds: CallerBounds;
  http: HttpBounds;
  /** Whether this address is a balancer's whose word on its callers is taken. */
  trusts(address: string): boolean;
  policy(gatewayId: string): Policy | undefined;
  route(destinationId: string): Route | undefined;
  /** Of the contents by which resources are reached. */
  revisions: Revisions;
  /** The plain HTTP front that owns a name on the port which such fronts share; the name is in lower case. */
  named(host: string): FrontRoute | undefined;
  upstreams(gatewayId: string): Iterable<Iterable<Upstream>>;
  /** A client's own list as it is now; undefined where nothing is known of it any more. */
  ownList(gatewayId: string, client: ProcessName): AccessList | null | undefined;
  /** Whether a client's check of the destination passes, as far as it is known. */
  isWell(clientId: string, destinationId: string): boolean;
  waitForTunnel: WaitForTunnel;
  compression: Compression;
  refusals: Refusals;
  /** Null where no traces are wanted. */
  traces: Traces | null;
  /** An HTTP request was answered. */
  onAnswered(request: AnsweredRequest): void;
  logger: Logger;
}

/** All callers. */
export class Callers {
  readonly #parts: CallersParts;
  readonly #places: CallerPlaces;
  readonly #rate: RateLimit;
  readonly #byGateway = new Map<string, Set<RunningCaller>>();
  readonly #callerParts: CallerParts;
  readonly #http: HttpDesk;
  readonly #timer: NodeJS.Timeout;
  readonly #opening: GatewayShares;
  #drained: (() => void) | null = null;
  readonly #ended = new GatewayTotals();

  constructor(parts: CallersParts) {
    this.#parts = parts;
    const { bounds } = parts;
    this.#callerParts = this.#partsOfCallers();
    this.#opening = new GatewayShares(bounds.openingMax);
    this.#places = new CallerPlaces(bounds);
    const perSecond = bounds.connectionsPerSecondPerAddress;
    this.#rate = new RateLimit({ perSecond, burst: perSecond, addressesMax: bounds.addressesMax });
    this.#http = new HttpDesk({
      bounds: parts.http,
      trusts: (address) => parts.trusts(address),
      policy: (gatewayId) => parts.policy(gatewayId),
      route: (destinationId) => parts.route(destinationId),
      revisions: parts.revisions,
      named: (host) => parts.named(host),
      upstreams: (gatewayId) => parts.upstreams(gatewayId),
      ownList: (gatewayId, client) => parts.ownList(gatewayId, client),
      isWell: (clientId, destinationId) => parts.isWell(clientId, destinationId),
      waitForTunnel: parts.waitForTunnel,
      compression: parts.compression,
      whyFull: (gatewayId) => this.#whyOpeningFull(gatewayId),
      traces: parts.traces,
      onAnswered: (request) => parts.onAnswered(request),
      onStart: (caller) => this.#add(caller),
      onOpened: (caller) => this.#handleOpened(caller),
      onOver: (caller, cause) => this.#remove(caller, cause),
      onRefused: (destinationId, trackingId, { address, port }, cause) => {
        const from = `${address}:${port}`;
        if (destinationId === null) parts.refusals.addStranger(trackingId, from, cause);
        else parts.refusals.add(destinationId, trackingId, from, cause, 'a request was refused');
      },
    });
    this.#timer = setInterval(() => this.#tick(), tickMs);
    this.#timer.unref();
  }

  /** Callers' connections now. */
  get size(): number {
    return this.#places.total;
  }

  /** Those that wait for a client to take them. */
  get opening(): number {
    return this.#opening.total;
  }

  /** Streams and bytes since the start, running ones included. */
  totals(): { streams: number; fromCallers: number; toCallers: number } {
    const totals = { ...this.#ended.all };
    for (const caller of this.#all()) {
      if (!caller.opened) continue;
      const { fromCaller, toCaller } = caller.bytes;
      if (caller.tookStream) totals.streams += 1;
      totals.fromCallers += fromCaller;
      totals.toCallers += toCaller;
    }
    return totals;
  }

  /** What was counted for each gateway, those of `known` included, and how many callers it has now. */
  *gateways(known: Iterable<string>): Iterable<EndedCaller & { gatewayId: string; callers: number }> {
    for (const row of this.#ended.rows(known))
      yield { ...row, callers: this.#byGateway.get(row.gatewayId)?.size ?? 0 };
  }

  /**
   * Lets one more connection in: returns what frees its place, idempotent, or why there is none. `gatewayId` is null where
   * only a request will say whose it is.
   */
  admit(address: string, gatewayId: string | null): (() => void) | CallerCause {
    return this.#admit(address, gatewayId, () => this.#places.enter(address, gatewayId));
  }

  #admit(
    address: string,
    gatewayId: string | null,
    enter: () => (() => void) | CallerCause,
  ): (() => void) | CallerCause {
    const cause = this.#whyNot(address, gatewayId);
    if (cause !== null) return cause;
    const leave = enter();
    if (typeof leave !== 'function') return leave;
    return () => {
      leave();
      if (this.size === 0) this.#drained?.();
    };
  }

  /** Carries a caller's bytes as they are, or its requests. */
  serve(accepted: AcceptedCaller): void {
    if (accepted.route.front.protocol === 'http') {
      this.#http.accept(accepted);
      return;
    }
    const header = proxyHeaderOf(accepted);
    const { head, socket } = accepted;
    const first = [...(header === null ? [] : [header]), ...(head.length === 0 ? [] : [head])];
    this.#start(new Caller(this.#callerParts, accepted, socketEnd(socket, first)));
  }

  /** Carries the requests of a caller of the port that plain HTTP fronts share. */
  serveNameless(accepted: NamelessCaller): void {
    this.#http.acceptNameless(accepted);
  }

  /** Carries the datagrams of a caller that a UDP front has not heard before. */
  serveFlow(route: FrontRoute, flow: Flow): void {
    const { address } = flow;
    const { gatewayId } = route;
    const enter = () => this.#places.enterFlow(address.address, gatewayId);
    const leave = this.#admit(address.address, gatewayId, enter);
    if (typeof leave !== 'function') {
      flow.reset();
      this.refuse(route, address, leave);
      return;
    }
    this.#start(
      new Caller(
        this.#callerParts,
        { route, address, trackingId: randomUUID(), arrivedAt: Date.now(), leave },
        flow,
      ),
    );
  }

  /** Notes a caller that a front could not even take. */
  refuse(route: FrontRoute, { address, port }: CallerAddress, cause: CallerCause): void {
    const caller = `${address}:${port}`;
    this.#parts.refusals.add(route.id, randomUUID(), caller, cause, 'a caller was turned away');
  }

  #start(caller: Caller): void {
    this.#add(caller);
    caller.start();
  }

  /** What HTTP counts. */
  get http(): HttpCounts {
    return this.#http.counts;
  }

  /** The destination or gateway, or one of their rules, has changed. */
  judgeAgain(gatewayId: string): void {
    this.#http.judgeAgain(gatewayId);
    for (const caller of this.#byGateway.get(gatewayId) ?? []) {
      caller.judgeAgain(this.#parts.route(caller.destinationId));
    }
  }

  /** certstore has other contents of certificates. */
  handleRevisions(): void {
    this.#http.handleRevisions();
  }

  /** Ends every caller that a client serves, or all of a gateway. */
  end(gatewayId: string, clientId: string | null, cause: CallerCause): void {
    this.#http.endKept(clientId, gatewayId, cause.text);
    for (const caller of this.#byGateway.get(gatewayId) ?? []) {
      if (clientId === null || caller.clientId === clientId) caller.end(cause);
    }
  }

  /** Another boot of a client has come up: whoever the former one served has lost its other end. */
  endFormerBoot(gatewayId: string, clientId: string, bootId: string): void {
    for (const caller of this.#byGateway.get(gatewayId) ?? []) {
      const { clientProcess } = caller;
      if (clientProcess?.id !== clientId || clientProcess.bootId === bootId) continue;
      const text = 'the client was started anew';
      caller.end({ code: 'EDGE_CLIENT_RESTARTED', text, end: 'client' }, ResetCode.Restarted);
    }
  }

  /** Resolves when the last one has gone, or the time is over. */
  async drain(graceMs: number): Promise<void> {
    if (this.size === 0) return;
    this.#http.drain();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#drained = resolve;
    const timer = setTimeout(resolve, graceMs);
    await promise;
    clearTimeout(timer);
  }

  /** Ends all that are left. Idempotent. */
  close(cause: CallerCause): void {
    clearInterval(this.#timer);
    for (const caller of this.#all()) caller.end(cause, ResetCode.ShuttingDown);
    this.#http.close();
  }

  #partsOfCallers(): CallerParts {
    const { bounds, compression, traces, waitForTunnel } = this.#parts;
    return {
      waitForTunnel,
      flowIdleMs: bounds.flowIdleMs,
      compression,
      traces,
      policy: (gatewayId) => this.#parts.policy(gatewayId),
      upstreams: (gatewayId) => this.#parts.upstreams(gatewayId),
      isWell: (clientId, destinationId) => this.#parts.isWell(clientId, destinationId),
      onOpened: (caller) => this.#handleOpened(caller),
      onOver: (caller, cause) => this.#remove(caller, cause),
    };
  }

  #whyNot(address: string, gatewayId: string | null): CallerCause | null {
    if (!this.#rate.take(address)) {
      return { code: 'EDGE_ADDRESS_RATE', text: 'too many new connections from this address', end: 'edge' };
    }
    return this.#whyOpeningFull(gatewayId);
  }

  #whyOpeningFull(gatewayId: string | null): CallerCause | null {
    const full = this.#opening.whyFull(gatewayId);
    if (full === null) return null;
    const whose = full === 'full' ? 'callers' : 'callers of the gateway';
    return { code: 'EDGE_OPENING_FULL', text: `too many ${whose} wait for a client already`, end: 'edge' };
  }

  #add(caller: RunningCaller): void {
    this.#opening.take(caller.gatewayId);
    const siblings = this.#byGateway.get(caller.gatewayId);
    if (siblings === undefined) this.#byGateway.set(caller.gatewayId, new Set([caller]));
    else siblings.add(caller);
  }

  #handleOpened(caller: RunningCaller): void {
    this.#opening.leave(caller.gatewayId);
    if (!this.#parts.logger.isLevelEnabled('debug')) return;
    const { trackingId, destinationId, clientId, span } = caller;
    this.#parts.logger.debug({ trackingId, destinationId, clientId, ...span?.logFields }, 'a stream is open');
  }

  #remove(caller: RunningCaller, cause: CallerCause | null): void {
    const siblings = this.#byGateway.get(caller.gatewayId);
    siblings?.delete(caller);
    if (siblings?.size === 0) this.#byGateway.delete(caller.gatewayId);
    this.#count(caller, cause);
    this.#report(caller, cause);
  }

  #count(caller: RunningCaller, cause: CallerCause | null): void {
    if (!caller.opened) this.#opening.leave(caller.gatewayId);
    const { fromCaller, toCaller } = caller.opened ? caller.bytes : noBytes;
    this.#ended.add(caller.gatewayId, {
      streams: caller.tookStream ? 1 : 0,
      fromCallers: fromCaller,
      toCallers: toCaller,
      refused: cause === null ? 0 : 1,
    });
  }

  #report(caller: RunningCaller, cause: CallerCause | null): void {
    if (cause === null && !this.#parts.logger.isLevelEnabled('debug')) return;
    const { trackingId, destinationId, clientId, address, opened, span } = caller;
    if (cause === null) {
      const fields = { trackingId, destinationId, clientId, ...caller.bytes, ...span?.logFields };
      this.#parts.logger.debug(fields, 'a stream is over');
      return;
    }
    const what = opened ? 'a stream was cut' : 'a caller was turned away';
    const from = `${address.address}:${address.port}`;
    this.#parts.refusals.add(destinationId, trackingId, from, cause, what, span?.logFields);
  }

  #tick(): void {
    const now = performance.now();
    for (const caller of this.#all()) caller.tick(now);
    this.#http.tick(now);
  }

  *#all(): Iterable<RunningCaller> {
    for (const callers of this.#byGateway.values()) yield* callers;
  }
}
