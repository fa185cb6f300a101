/**
 * HTTP on this node: takes callers' connections from the fronts, finds the destination of each request, and keeps the
 * connections to resources. A connection is no destination's: each request on it is judged by the rules as they are
 * when it comes, and on the port that plain HTTP fronts share it is for whom its Host names.
 */
import { type FrontRoute, type Route, hasFront } from '@postern/contracts';
import {
  type Cause,
  ConnectionPool,
  Connections,
  type ConnectionFacts,
  type HttpBounds,
  type HttpErrand,
  type HttpRequest,
} from '@postern/exchange';
import { hostOf } from '@postern/http';
import { ResetCode } from '@postern/tunnel';
import type { AcceptedCaller, NamelessCaller } from '../caller/accepted-caller.ts';
import type { CallerCause } from '../errors.ts';
import { judgeKept } from '../access/judgement.ts';
import type { RefusedCaller } from '../caller/refusals.ts';
import { asksTheSame } from '../caller/tls-ends.ts';
import { callerCauseOf, edgeVoice } from '../caller/voice.ts';
import { RequestErrand, type RequestErrandParts } from './request-errand.ts';
import { resourceKeyOf } from './resource-names.ts';

/** What the desk needs of the node. */
export interface HttpDeskParts extends RequestErrandParts {
  bounds: HttpBounds;
  /** Whether this address is a balancer's whose word on its callers is taken. */
  trusts(address: string): boolean;
  route(destinationId: string): Route | undefined;
  /** The plain HTTP front that owns a name on the port which such fronts share; the name is in lower case. */
  named(host: string): FrontRoute | undefined;
  /** A request was refused before it had an errand; without a destination where it named none. */
  onRefused(caller: RefusedCaller, cause: CallerCause): void;
}

/** Counts since the start. */
export interface HttpCounts {
  running: number;
  connections: number;
  /** Connections to resources that wait. */
  kept: number;
  /** Requests that went over a kept one, and over a new one. */
  overKept: number;
  overNew: number;
}

/** Finds the destination of a request. */
type FindRoute = (request: HttpRequest) => FrontRoute | CallerCause;

/** HTTP. */
export class HttpDesk {
  readonly #desk: HttpDeskParts;
  readonly #errandParts: RequestErrandParts;
  readonly #pool: ConnectionPool;
  readonly #connections: Connections;
  #running = 0;
  #overKept = 0;
  #overNew = 0;

  constructor(parts: HttpDeskParts) {
    this.#desk = parts;
    this.#pool = new ConnectionPool(parts.bounds);
    this.#connections = new Connections({ bounds: parts.bounds, pool: this.#pool, voice: edgeVoice });
    this.#errandParts = {
      ...parts,
      onStart: (errand) => {
        this.#running += 1;
        parts.onStart(errand);
      },
      onOpened: (errand, fresh) => {
        if (fresh) this.#overNew += 1;
        else this.#overKept += 1;
        parts.onOpened(errand, fresh);
      },
      onOver: (errand, cause) => {
        this.#running -= 1;
        parts.onOver(errand, cause);
      },
    };
  }

  get counts(): HttpCounts {
    return {
      running: this.#running,
      connections: this.#connections.size,
      kept: this.#pool.size,
      overKept: this.#overKept,
      overNew: this.#overNew,
    };
  }

  /** Takes a connection to a destination's front. */
  accept(accepted: AcceptedCaller): void {
    const { route } = accepted;
    this.#take(accepted, route.id, () => this.#route(route), route.front.tls.passClientCertificate);
  }

  /** Takes a connection to the port that plain HTTP fronts share. */
  acceptNameless(accepted: NamelessCaller): void {
    this.#take(accepted, null, (request) => this.#routeByHost(request), false);
  }

  #take(
    accepted: NamelessCaller,
    destinationId: string | null,
    find: FindRoute,
    passCertificate: boolean,
  ): void {
    const { trackingId, socket, head, tls, address } = accepted;
    this.#connections.accept({
      trackingId,
      socket,
      head,
      facts: this.#factsOf(accepted, passCertificate),
      http2: tls?.protocol === 'h2',
      errand: (request) => this.#errand(find, request),
      onRefused: (trackingId, cause) => {
        const status = edgeVoice.statusOf(cause.code);
        // What could not be read to its end has no method that could be believed.
        const scheme = tls === null ? 'http' : 'https';
        this.#desk.onAnswered({ method: '', scheme, status, route: '', seconds: 0 });
        this.#desk.onRefused({ destinationId, trackingId, address }, callerCauseOf(cause));
      },
      onClosed: () => accepted.leave(),
    });
  }

  #errand(find: FindRoute, request: HttpRequest): HttpErrand | Cause {
    const route = find(request);
    return 'code' in route ? route : new RequestErrand(this.#errandParts, route, request);
  }

  /** What a PROXY header told is the caller's own address, who is nobody that is trusted. */
  #factsOf(accepted: NamelessCaller, passCertificate: boolean): ConnectionFacts {
    const { address, tls, serverName, throughBalancer } = accepted;
    const certificate = passCertificate ? (tls?.certificate ?? null) : null;
    return {
      caller: address,
      secure: tls !== null,
      serverName: tls === null ? null : serverName,
      certificate: certificate?.raw ?? null,
      trusted: !throughBalancer && this.#desk.trusts(address.address),
    };
  }

  /**
   * A rule, the destination or the gateway changed: kept connections that may no longer be are reset, and those to what
   * the resource was are ended in order.
   */
  judgeAgain(gatewayId: string): void {
    for (const destinationId of this.#pool.destinations()) {
      const route = this.#desk.route(destinationId);
      if (route !== undefined && route.gatewayId !== gatewayId) continue;
      const cause = judgeKept(route, this.#desk.policy(gatewayId));
      if (cause !== null) this.#pool.reset(destinationId, ResetCode.Disabled, cause.text, () => true);
      else if (route !== undefined) this.#endReplaced(route);
    }
  }

  /** certstore has other contents: kept connections that came about by the former are ended in order. */
  handleRevisions(): void {
    for (const destinationId of this.#pool.destinations()) {
      const route = this.#desk.route(destinationId);
      if (route !== undefined) this.#endReplaced(route);
    }
  }

  #endReplaced(route: Route): void {
    const key = resourceKeyOf(route, this.#desk.revisions);
    this.#pool.end(route.id, ({ resourceKey }) => resourceKey !== key);
  }

  /** A client's streams end: its kept connections too. */
  endKept(gatewayId: string, clientId: string, text: string): void {
    for (const destinationId of this.#pool.destinations()) {
      const route = this.#desk.route(destinationId);
      if (route !== undefined && route.gatewayId !== gatewayId) continue;
      this.#pool.reset(destinationId, ResetCode.Disabled, text, ({ peerId }) => peerId === clientId);
    }
  }

  /** Called about once a second. */
  tick(now: number): void {
    this.#pool.tick(now);
    this.#connections.tick(now);
  }

  /** Takes no more requests: connections end when what is under way is answered. */
  drain(): void {
    this.#connections.drain();
  }

  /** Ends all. */
  close(): void {
    this.#connections.close();
    this.#pool.closeAll();
  }

  /**
   * The destination as it is now. A connection that came to a port which it has left is not served, nor one whose caller
   * was not asked for the certificate that is wanted now.
   */
  #route(met: FrontRoute): FrontRoute | CallerCause {
    const route = this.#desk.route(met.id);
    if (route === undefined) {
      return { code: 'EDGE_DESTINATION_DELETED', text: 'the destination was deleted', end: 'edge' };
    }
    const misdirected = (text: string): CallerCause => ({ code: 'EDGE_HTTP_MISDIRECTED', text, end: 'edge' });
    if (!hasFront(route) || route.front.protocol !== 'http' || route.front.port !== met.front.port)
      return misdirected('the front has moved to another port');
    if (route.front.tls.mode === 'mutual' && !asksTheSame(route, met))
      return misdirected('the front asks for other client certificates since this connection was opened');
    return route;
  }

  /**
   * Whom a request of the shared port is for, by Host or by the host of its absolute target, which agree. The tokens of
   * ACME (http-01, `/.well-known/acme-challenge/`) will be answered here, before a front is looked for.
   */
  #routeByHost({ caller }: HttpRequest): FrontRoute | CallerCause {
    const host = hostOf(caller.authority);
    const text =
      host === ''
        ? 'the request names no host, and this port serves many'
        : 'no HTTP front of this platform has the name that the request asks for';
    return this.#desk.named(host) ?? { code: 'EDGE_HTTP_NAME_UNKNOWN', text, end: 'edge' };
  }
}
