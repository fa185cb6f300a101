/**
 * HTTP on this node: takes callers' connections from the fronts, finds the destination of each request, and keeps the
 * connections to resources. A connection is no destination's: each request on it is judged by the rules as they are
 * when it comes, and on the port that plain HTTP fronts share it is for whom its Host names.
 */
import type { Socket } from 'node:net';
import type { FrontRoute, Policy, Route } from '@postern/contracts';
import { hostOf } from '@postern/http';
import { ResetCode } from '@postern/tunnel';
import type { AcceptedCaller, NamelessCaller } from '../accepted-caller.ts';
import type { RunningCaller } from '../callers.ts';
import type { CallerCause } from '../errors.ts';
import { judgeKept } from '../judgement.ts';
import type { Compression } from '@postern/tunnel';
import type { Upstream } from '../upstream.ts';
import type { HttpBounds } from './bounds.ts';
import { ConnectionPool } from './connection-pool.ts';
import type { HttpConnection, HttpDoor } from './door.ts';
import type { Exchange } from './exchange.ts';
import { Http1Caller } from './http1-caller.ts';
import { Http2Caller } from './http2-caller.ts';
import type { HttpParts } from './parts.ts';
import { statusOf } from './refusal-page.ts';
import type { ConnectionFacts, HttpRequest } from './request.ts';

/** What the desk needs of the node. */
export interface HttpDeskParts {
  bounds: HttpBounds;
  trusts(address: string): boolean;
  policy(gatewayId: string): Policy | undefined;
  route(destinationId: string): Route | undefined;
  /** The front that owns a name on the shared port. */
  named(host: string): FrontRoute | undefined;
  upstreams(gatewayId: string): Iterable<Iterable<Upstream>>;
  isWell(clientId: string, destinationId: string): boolean;
  compression: Compression;
  whyFull(): CallerCause | null;
  onStart(caller: RunningCaller): void;
  onOpened(caller: RunningCaller): void;
  onOver(caller: RunningCaller, cause: CallerCause | null): void;
  /** Without a destination where the request named none. */
  onRefused(
    destinationId: string | null,
    trackingId: string,
    facts: ConnectionFacts,
    cause: CallerCause,
  ): void;
}

/** Counts since the start. */
export interface HttpCounts {
  /** Requests that were answered, by the first digit of the status. */
  answers: ReadonlyMap<string, number>;
  running: number;
  connections: number;
  /** Connections to resources that wait. */
  kept: number;
  /** Requests that went over a kept one, and over a new one. */
  overKept: number;
  overNew: number;
}

/** Finds the destination of a request. */
type FindRoute = (request: HttpRequest) => Route | CallerCause;

/** A connection, as it is kept. */
interface Connection {
  door: HttpDoor;
  onClosed: () => void;
}

/** HTTP. */
export class HttpDesk {
  readonly #desk: HttpDeskParts;
  readonly #parts: HttpParts;
  readonly #pool: ConnectionPool;
  readonly #connections = new Map<HttpConnection, Connection>();
  readonly #answers = new Map<string, number>();
  #running = 0;
  #overKept = 0;
  #overNew = 0;
  #draining = false;

  constructor(parts: HttpDeskParts) {
    this.#desk = parts;
    this.#pool = new ConnectionPool(parts.bounds);
    this.#parts = {
      bounds: parts.bounds,
      pool: this.#pool,
      compression: parts.compression,
      policy: (gatewayId) => parts.policy(gatewayId),
      upstreams: (gatewayId) => parts.upstreams(gatewayId),
      isWell: (clientId, destinationId) => parts.isWell(clientId, destinationId),
      whyFull: () => parts.whyFull(),
      statusOf,
      onStart: (exchange) => this.#handleStart(exchange),
      onOpened: (exchange, fresh) => this.#handleOpened(exchange, fresh),
      onOver: (exchange, cause) => this.#handleOver(exchange, cause),
    };
  }

  get counts(): HttpCounts {
    return {
      answers: this.#answers,
      running: this.#running,
      connections: this.#connections.size,
      kept: this.#pool.size,
      overKept: this.#overKept,
      overNew: this.#overNew,
    };
  }

  /** Takes a connection to a destination's front. */
  accept(accepted: AcceptedCaller): void {
    const { id, front } = accepted.route;
    const door = this.#door(id, accepted.trackingId, () => this.#route(id, front.port));
    this.#take(accepted, door, front.tls.passClientCertificate);
  }

  /** Takes a connection to the port that plain HTTP fronts share. */
  acceptNameless(accepted: NamelessCaller): void {
    const door = this.#door(null, accepted.trackingId, (request) => this.#routeByHost(request));
    this.#take(accepted, door, false);
  }

  #take(accepted: NamelessCaller, door: HttpDoor, passCertificate: boolean): void {
    const { trackingId, socket, tls, head } = accepted;
    const facts = this.#factsOf(accepted, passCertificate);
    const known = { door, onClosed: () => accepted.leave() };
    if (tls?.protocol === 'h2') {
      this.#connections.set(new Http2Caller(door, socket, facts, trackingId), known);
      return;
    }
    const connection = new Http1Caller(door, socket, facts, trackingId);
    this.#connections.set(connection, known);
    connection.start(head);
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
      allowed: null,
    };
  }

  /** A rule, the destination or the gateway changed: kept connections that may no longer be are reset. */
  judgeAgain(gatewayId: string): void {
    for (const destinationId of this.#pool.destinations()) {
      const route = this.#desk.route(destinationId);
      if (route !== undefined && route.gatewayId !== gatewayId) continue;
      const cause = judgeKept(route, this.#desk.policy(gatewayId));
      if (cause !== null) this.#pool.reset(destinationId, ResetCode.Disabled, cause.text, () => true);
    }
  }

  /** A client's streams end: its kept connections too. */
  endKept(clientId: string | null, gatewayId: string, text: string): void {
    for (const destinationId of this.#pool.destinations()) {
      const route = this.#desk.route(destinationId);
      if (route !== undefined && route.gatewayId !== gatewayId) continue;
      this.#pool.reset(
        destinationId,
        ResetCode.Disabled,
        text,
        (one) => clientId === null || one.clientId === clientId,
      );
    }
  }

  /** Called about once a second. */
  tick(now: number): void {
    this.#pool.tick(now);
    for (const connection of this.#connections.keys()) connection.tick(now);
  }

  /** Takes no more requests: connections end when what is under way is answered. */
  drain(): void {
    this.#draining = true;
    for (const connection of this.#connections.keys()) connection.drain();
  }

  /** Ends all. */
  close(): void {
    for (const connection of this.#connections.keys()) connection.close();
    this.#pool.closeAll();
  }

  #door(destinationId: string | null, trackingId: string, route: FindRoute): HttpDoor {
    return {
      parts: this.#parts,
      draining: () => this.#draining,
      route,
      onRefused: (connection, requestId, cause) => {
        this.#countAnswer(statusOf(cause));
        this.#desk.onRefused(destinationId, requestId, connection.facts, cause);
      },
      onClosed: (connection) => this.#handleClosed(connection),
      takeHttp2: (former, socket) => this.#takeHttp2(former, socket, trackingId),
    };
  }

  #takeHttp2(former: HttpConnection, socket: Socket, trackingId: string): void {
    const known = this.#connections.get(former);
    if (known === undefined) return;
    this.#connections.delete(former);
    if (socket.destroyed) {
      known.onClosed();
      return;
    }
    this.#connections.set(new Http2Caller(known.door, socket, former.facts, trackingId), known);
  }

  /** The destination as it is now; a connection that came to a port which it has left is not served. */
  #route(destinationId: string, port: number): Route | CallerCause {
    const route = this.#desk.route(destinationId);
    if (route === undefined) {
      return { code: 'EDGE_DESTINATION_DELETED', text: 'the destination was deleted', end: 'edge' };
    }
    if (route.front?.protocol === 'http' && route.front.port === port) return route;
    return { code: 'EDGE_HTTP_MISDIRECTED', text: 'the front has moved to another port', end: 'edge' };
  }

  /**
   * Whom a request of the shared port is for, by Host or by the host of its absolute target, which agree. The tokens of
   * ACME (http-01, `/.well-known/acme-challenge/`) will be answered here, before a front is looked for.
   */
  #routeByHost({ caller }: HttpRequest): Route | CallerCause {
    const host = hostOf(caller.authority).replace(/\.$/, '');
    const text =
      host === ''
        ? 'the request names no host, and this port serves many'
        : 'no HTTP front of this platform has the name that the request asks for';
    return this.#desk.named(host) ?? { code: 'EDGE_HTTP_NAME_UNKNOWN', text, end: 'edge' };
  }

  #handleStart(exchange: Exchange): void {
    this.#running += 1;
    this.#desk.onStart(exchange);
  }

  #handleOpened(exchange: Exchange, fresh: boolean): void {
    if (fresh) this.#overNew += 1;
    else this.#overKept += 1;
    this.#desk.onOpened(exchange);
  }

  #handleOver(exchange: Exchange, cause: CallerCause | null): void {
    this.#running -= 1;
    if (exchange.status > 0) this.#countAnswer(exchange.status);
    this.#desk.onOver(exchange, cause);
  }

  #countAnswer(status: number): void {
    const label = `${String(status).charAt(0)}xx`;
    this.#answers.set(label, (this.#answers.get(label) ?? 0) + 1);
  }

  #handleClosed(connection: HttpConnection): void {
    const known = this.#connections.get(connection);
    if (known === undefined) return;
    this.#connections.delete(connection);
    known.onClosed();
  }
}
