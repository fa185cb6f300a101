/**
 * All callers of this node: let in within the bounds, found again when a rule changes, counted. The only place that
 * knows every stream's owner, so what ends many at once (a gateway disabled, a token revoked) goes through here.
 */
import { randomUUID } from 'node:crypto';
import type { FrontRoute } from '@postern/contracts';
import { BytePipe, type HttpBounds } from '@postern/exchange';
import { Shares } from '@postern/share';
import type { Logger } from '@postern/telemetry';
import { type CallerEnd, type Flow, ResetCode, SlotMultimap, SocketEnd } from '@postern/tunnel';
import { RateLimit } from './gate/admission.ts';
import type { FilePlaces } from './gate/file-places.ts';
import type { AcceptedCaller, CallerAbout } from './caller/accepted-caller.ts';
import { CallerPlaces, type CallerPlacesBounds } from './caller/caller-places.ts';
import type { CallerCause } from './errors.ts';
import { FrontErrand, type FrontErrandParts } from './caller/front-errand.ts';
import { type EndedCaller, GatewayTotals, countsOfRows } from './gateway-totals.ts';
import { HttpDesk, type HttpDeskParts } from './http/http-desk.ts';
import type { CallerAddress } from './access/judgement.ts';
import { proxyHeaderOf } from './caller/proxy-out.ts';
import type { Refusals } from './caller/refusals.ts';
import { edgeVoice } from './caller/voice.ts';

const tickMs = 1_000;
const noBytes = { fromCaller: 0, toCaller: 0 };
const tooFast: CallerCause = {
  code: 'EDGE_ADDRESS_RATE',
  text: 'too many new connections from this address',
  end: 'edge',
};

/** The bounds of the fronts. */
export interface CallerBounds extends CallerPlacesBounds {
  connectionsPerSecondPerAddress: number;
  openingMax: number;
  addressesMax: number;
  flowIdleMs: number;
}

/** What is for this file to say to errands and to HTTP; all else is the node's. */
type Told = 'bounds' | 'flowIdleMs' | 'whyFull' | 'onStart' | 'onOpened' | 'onOver' | 'onRefused';

/** What callers need of the node. */
export interface CallersParts extends Omit<HttpDeskParts, Told> {
  bounds: CallerBounds;
  files: FilePlaces;
  http: HttpBounds;
  refusals: Refusals;
  logger: Logger;
}

/** All callers. */
export class Callers {
  /** Those who speak HTTP; their requests are among the errands here. */
  readonly http: HttpDesk;
  readonly #parts: CallersParts;
  readonly #places: CallerPlaces;
  readonly #rate: RateLimit;
  /** Apart, as anybody can send datagrams in another's name. */
  readonly #flowRate: RateLimit;
  readonly #byGateway = new SlotMultimap<number, FrontErrand>();
  #taken = 0;
  readonly #errandParts: FrontErrandParts;
  readonly #timer: NodeJS.Timeout;
  readonly #opening: Shares;
  /** Connections may bring a hundred requests at once each. */
  readonly #running: Shares;
  readonly #ended = new GatewayTotals();

  constructor(parts: CallersParts) {
    this.#parts = parts;
    const { bounds } = parts;
    this.#opening = new Shares(bounds.openingMax);
    this.#running = new Shares(bounds.connectionsMax);
    this.#places = new CallerPlaces(bounds, parts.files);
    const perSecond = bounds.connectionsPerSecondPerAddress;
    const rate = { perSecond, burst: perSecond, addressesMax: bounds.addressesMax };
    this.#rate = new RateLimit(rate);
    this.#flowRate = new RateLimit(rate);
    const errandParts = {
      ...parts,
      flowIdleMs: bounds.flowIdleMs,
      onStart: (errand: FrontErrand) => this.#add(errand),
      onOpened: (errand: FrontErrand) => this.#handleOpened(errand),
      onOver: (errand: FrontErrand, cause: CallerCause | null) => this.#remove(errand, cause),
    };
    this.#errandParts = errandParts;
    this.http = new HttpDesk({
      ...errandParts,
      bounds: parts.http,
      whyFull: (gatewayId) => this.#whyOpeningFull(gatewayId) ?? this.#whyRunningFull(gatewayId),
      onRefused: (caller, cause) => {
        const what = caller.destinationId === null ? 'a connection was turned away' : 'a request was refused';
        parts.refusals.add(caller, cause, what);
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
    for (const caller of this.#byGateway.values()) {
      if (!caller.opened) continue;
      const { fromCaller, toCaller } = caller.bytes;
      if (caller.tookStream) totals.streams += 1;
      totals.fromCallers += fromCaller;
      totals.toCallers += toCaller;
    }
    return totals;
  }

  /** What was counted for each gateway, those of `known` included, and how many callers it has now. */
  gateways(known: Iterable<string>): (EndedCaller & { gatewayId: string; callers: number })[] {
    const rows = [...this.#ended.rows(known)];
    const callers = countsOfRows(
      rows.map(({ gatewayId }) => gatewayId),
      this.#byGateway,
    );
    return rows.map((row, at) => ({ ...row, callers: callers[at] ?? 0 }));
  }

  /**
   * Lets one more connection in: returns what frees its place, idempotent, or why there is none. `gatewayId` is null where
   * only a request will say whose it is.
   */
  admit(address: string, gatewayId: string | null): (() => void) | CallerCause {
    const enter = () => this.#places.enter(address, gatewayId);
    return this.#admit(this.#rate, address, gatewayId, enter);
  }

  #admit(
    rate: RateLimit,
    address: string,
    gatewayId: string | null,
    enter: () => (() => void) | CallerCause,
  ): (() => void) | CallerCause {
    const cause = rate.take(address) ? this.#whyOpeningFull(gatewayId) : tooFast;
    return cause ?? enter();
  }

  /** Carries a caller's bytes as they are, or its requests. */
  serve(accepted: AcceptedCaller): void {
    if (accepted.route.front.protocol === 'http') {
      this.http.accept(accepted);
      return;
    }
    const header = proxyHeaderOf(accepted);
    const { head, socket } = accepted;
    const first = [...(header === null ? [] : [header]), ...(head.length === 0 ? [] : [head])];
    this.#carry(accepted, new SocketEnd(socket, first));
  }

  /** Carries the datagrams of a caller that a UDP front has not heard before. */
  serveFlow(route: FrontRoute, flow: Flow): void {
    const { address } = flow;
    const { gatewayId } = route;
    const enter = () => this.#places.enterFlow(address.address, gatewayId);
    const leave = this.#admit(this.#flowRate, address.address, gatewayId, enter);
    if (typeof leave !== 'function') {
      flow.reset();
      this.refuse(route, address, leave);
      return;
    }
    this.#carry({ route, address, trackingId: randomUUID(), arrivedAt: Date.now(), leave }, flow);
  }

  /** Notes a caller that a front could not even take. */
  refuse(route: FrontRoute, address: CallerAddress, cause: CallerCause): void {
    const caller = { destinationId: route.id, trackingId: randomUUID(), address };
    this.#parts.refusals.add(caller, cause, 'a caller was turned away');
  }

  #carry(about: CallerAbout, end: CallerEnd): void {
    const span = this.#parts.traces?.startCaller(about) ?? null;
    new BytePipe(new FrontErrand(this.#errandParts, about, span), end, edgeVoice).start();
  }

  /** The destination or gateway, or one of their rules, has changed. */
  judgeAgain(gatewayId: string): void {
    this.http.judgeAgain(gatewayId);
    for (const caller of this.#byGateway.get(gatewayId)) {
      caller.judgeAgain(this.#parts.route(caller.destinationId));
    }
  }

  /** Ends every caller that a client serves. */
  end(gatewayId: string, clientId: string, cause: CallerCause): void {
    this.http.endKept(gatewayId, clientId, cause.text);
    for (const caller of this.#byGateway.get(gatewayId)) {
      if (caller.clientId === clientId) caller.end(cause);
    }
  }

  /** Another boot of a client has come up: whoever the former one served has lost its other end. */
  endFormerBoot(gatewayId: string, clientId: string, bootId: string): void {
    for (const caller of this.#byGateway.get(gatewayId)) {
      const { clientProcess } = caller;
      if (clientProcess?.id !== clientId || clientProcess.bootId === bootId) continue;
      const text = 'the client was started anew';
      caller.end({ code: 'EDGE_CLIENT_RESTARTED', text, end: 'client' }, ResetCode.Restarted);
    }
  }

  /** Resolves when the last one has gone, or the time is over. */
  drain(graceMs: number): Promise<void> {
    this.http.drain();
    return this.#places.emptied(graceMs);
  }

  /** Ends all that are left. Idempotent. */
  close(cause: CallerCause): void {
    clearInterval(this.#timer);
    for (const caller of this.#byGateway.values()) caller.end(cause, ResetCode.ShuttingDown);
    this.http.close();
  }

  #whyOpeningFull(gatewayId: string | null): CallerCause | null {
    const full = this.#opening.whyFull(gatewayId);
    if (full === null) return null;
    const whose = full === 'full' ? 'callers' : 'callers of the gateway';
    return { code: 'EDGE_OPENING_FULL', text: `too many ${whose} wait for a client already`, end: 'edge' };
  }

  #whyRunningFull(gatewayId: string): CallerCause | null {
    const full = this.#running.whyFull(gatewayId);
    if (full === null) return null;
    const who = full === 'full' ? 'node' : 'gateway';
    const text = `the ${who} has as many requests under way as it may have connections`;
    return { code: 'EDGE_CONNECTIONS_FULL', text, end: 'edge' };
  }

  #add(caller: FrontErrand): void {
    this.#opening.take(caller.gatewayId);
    this.#running.take(caller.gatewayId);
    caller.number = this.#taken += 1;
    this.#byGateway.add(caller.gatewayId, caller.number, caller);
  }

  #handleOpened(caller: FrontErrand): void {
    this.#opening.leave(caller.gatewayId);
    if (!this.#parts.logger.isLevelEnabled('debug')) return;
    const { trackingId, destinationId, clientId, span } = caller;
    this.#parts.logger.debug({ trackingId, destinationId, clientId, ...span?.logFields }, 'a stream is open');
  }

  #remove(caller: FrontErrand, cause: CallerCause | null): void {
    this.#byGateway.delete(caller.gatewayId, caller.number);
    this.#running.leave(caller.gatewayId);
    this.#count(caller, cause);
    this.#report(caller, cause);
  }

  #count(caller: FrontErrand, cause: CallerCause | null): void {
    if (!caller.opened) this.#opening.leave(caller.gatewayId);
    const { fromCaller, toCaller } = caller.opened ? caller.bytes : noBytes;
    this.#ended.add(caller.gatewayId, {
      streams: caller.tookStream ? 1 : 0,
      fromCallers: fromCaller,
      toCallers: toCaller,
      refused: cause === null ? 0 : 1,
    });
  }

  #report(caller: FrontErrand, cause: CallerCause | null): void {
    if (cause === null && !this.#parts.logger.isLevelEnabled('debug')) return;
    const { trackingId, destinationId, clientId, opened, span } = caller;
    if (cause === null) {
      const fields = { trackingId, destinationId, clientId, ...caller.bytes, ...span?.logFields };
      this.#parts.logger.debug(fields, 'a stream is over');
      return;
    }
    const what = opened ? 'a stream was cut' : 'a caller was turned away';
    this.#parts.refusals.add(caller, cause, what, span?.logFields);
  }

  #tick(): void {
    const now = performance.now();
    for (const caller of this.#byGateway.values()) caller.tick(now);
    this.http.tick(now);
  }
}
