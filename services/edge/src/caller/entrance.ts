/**
 * How a caller comes in. The order is that of design.md, "Fronts", and every step is bounded in bytes and time:
 *
 *     own port ────────┬─► PROXY header ─► limits ─► source rules ─► TLS as the destination says ─► byte pipe or HTTP
 *                      │  from balancers     ▲       access list     none, passthrough: nothing
 *     the shared port ─┤  that are trusted ──┼──► ClientHello: server name
 *                      │                     └─ a destination's ─┘└─ any other ─► the platform itself
 *     plain HTTP's ────┘ ─► limits ─► HTTP, which finds the destination of each request by its Host
 *
 * Who is turned away is reset, as the edge does not know the caller's protocol; the cause goes to the destination's
 * refusals and to the log. Limits count the caller's own address, so where a balancer is in between they come after
 * its header. A destination that changes while its caller is on the way in is looked at anew at the end.
 */
import type { Socket } from 'node:net';
import { type FrontRoute, type Policy, type Route, hasFront } from '@postern/contracts';
import { resetSocket } from '@postern/tunnel';
import type { AcceptedCaller, NamelessCaller } from './accepted-caller.ts';
import { Arrival } from './arrival.ts';
import type { Balancers } from '../balancers.ts';
import type { Callers } from '../callers.ts';
import { TurnedAway, turnedAway } from '../errors.ts';
import { type FirstBytes, lookForName, lookForTls } from '../gate/first-bytes.ts';
import type { FrontNames } from './front-names.ts';
import type { HandshakeGate, Pass } from '../gate/handshake-gate.ts';
import { type CallerAddress, judgeHandshake, judgeNew } from '../access/judgement.ts';
import type { Refusals } from './refusals.ts';
import { type EndedTls, asksTheSame, endsTls } from './tls-ends.ts';

/** What the entrance needs of the node. */
export interface EntranceParts {
  balancers: Balancers;
  /** Half-open connections of the shared port, until it is known whom they are for. */
  sharedGate: HandshakeGate;
  /** Half-open connections of destinations. */
  frontGate: HandshakeGate;
  names: FrontNames;
  callers: Pick<Callers, 'admit'>;
  refusals: Refusals;
  policy(gatewayId: string): Policy | undefined;
  route(destinationId: string): Route | undefined;
  draining(): boolean;
  /** Ends TLS as the destination says; rejects with `TurnedAway`. */
  endTls(route: FrontRoute, socket: Socket): Promise<EndedTls>;
  /** Has the connection from now on. */
  serve(caller: AcceptedCaller): void;
  /** The same of the port that plain HTTP fronts share. */
  serveNameless(caller: NamelessCaller): void;
  /** The connection is for the platform itself. */
  servePlatform(connection: PlatformConnection): void;
}

/** A connection of the shared port that no destination owns; paused, unread. */
export interface PlatformConnection {
  socket: Socket;
  /** The caller's own address. */
  address: CallerAddress;
  /** `text` is somebody who speaks HTTP without TLS. */
  speaks: 'tls' | 'text';
  pass: Pass;
}

/** Takes connections in. */
export class Entrance {
  readonly #parts: EntranceParts;

  constructor(parts: EntranceParts) {
    this.#parts = parts;
  }

  /** A connection on a port that one destination has for itself. */
  enterOwn(route: FrontRoute, accepted: Socket): void {
    const arrival = this.#arrive(accepted);
    if (arrival === null) return;
    arrival.route = route;
    if (!arrival.introduced && !endsTls(route)) this.#guard(arrival, () => this.#serve(arrival, null));
    else void this.#run(arrival, this.#enterOwn(arrival, route));
  }

  /** A connection on the platform's port. */
  enterShared(accepted: Socket): void {
    const arrival = this.#arrive(accepted);
    if (arrival !== null) void this.#run(arrival, this.#enterShared(arrival));
  }

  /** A connection on the port that plain HTTP fronts share. */
  enterHttp(accepted: Socket): void {
    const arrival = this.#arrive(accepted);
    if (arrival === null) return;
    if (arrival.introduced) void this.#run(arrival, this.#enterIntroducedHttp(arrival));
    else this.#guard(arrival, () => this.#serveNameless(arrival));
  }

  async #enterIntroducedHttp(arrival: Arrival): Promise<void> {
    arrival.pass(this.#parts.sharedGate);
    await arrival.readIntroduction();
    this.#serveNameless(arrival);
  }

  /** Who sends nothing from here on is HTTP's to bound, among the callers that are counted. */
  #serveNameless(arrival: Arrival): void {
    this.#enter(arrival, null);
    this.#parts.serveNameless(arrival.acceptNameless(null));
  }

  #arrive(accepted: Socket): Arrival | null {
    // The caller went between the system's accept and ours.
    if (accepted.remoteAddress === undefined) {
      resetSocket(accepted);
      return null;
    }
    const introduced = this.#parts.balancers.introduce(accepted.remoteAddress, accepted.localPort ?? 0);
    return new Arrival(accepted, introduced);
  }

  async #enterOwn(arrival: Arrival, route: FrontRoute): Promise<void> {
    await arrival.passAsWhoCalls(this.#parts.frontGate);
    await this.#enterDestination(arrival, route, lookForTls);
  }

  async #enterShared(arrival: Arrival): Promise<void> {
    const { sharedGate, names } = this.#parts;
    await arrival.passAsWhoCalls(sharedGate);
    const first = await arrival.readFirst(lookForName);
    if (first.kind === 'other') throw turnedAway('EDGE_TLS_HANDSHAKE', first.fault);
    arrival.serverName = first.kind === 'hello' ? first.hello.serverName : null;
    const route = arrival.serverName === null ? undefined : names.find(arrival.serverName);
    if (route === undefined) {
      this.#servePlatform(arrival, first.kind === 'text' ? 'text' : 'tls');
      return;
    }
    arrival.route = route;
    if (this.#parts.draining()) throw turnedAway('EDGE_DRAINING', 'this node is stopping');
    if (arrival.answered && !endsTls(route)) throw turnedAway('EDGE_TLS_HANDSHAKE', unnamedPostgres);
    arrival.pass(this.#parts.frontGate);
    await this.#enterDestination(arrival, route, null);
  }

  #servePlatform(arrival: Arrival, speaks: 'tls' | 'text'): void {
    const { socket, address } = arrival;
    if (arrival.answered) throw turnedAway('EDGE_TLS_HANDSHAKE', unnamedPostgres);
    arrival.giveBack();
    this.#parts.servePlatform({ socket, address, speaks, pass: arrival.handOverPass() });
  }

  /** From the limits on; `look` is null where the ClientHello has been read. */
  async #enterDestination(
    arrival: Arrival,
    route: FrontRoute,
    look: ((bytes: Buffer) => FirstBytes | null) | null,
  ): Promise<void> {
    if (!endsTls(route)) {
      this.#serve(arrival, null);
      return;
    }
    this.#admit(arrival, route);
    if (look !== null) {
      const first = await arrival.readFirst(look);
      if (first.kind === 'text')
        throw turnedAway('EDGE_TLS_HANDSHAKE', 'this front speaks TLS, and plain text came');
      if (first.kind === 'other') throw turnedAway('EDGE_TLS_HANDSHAKE', first.fault);
    }
    arrival.giveBack();
    // The destination may be gone since the caller came: what is made for its TLS then would be kept for good.
    this.#asItIs(route);
    const ended = await this.#parts.endTls(route, arrival.socket).catch((error: unknown) => {
      throw arrival.cut ?? error;
    });
    this.#serve(arrival, ended);
  }

  #serve(arrival: Arrival, ended: EndedTls | null): void {
    const known = arrival.route;
    if (known === null) return;
    this.#admit(arrival, known);
    this.#parts.serve(arrival.accept(this.#asItIs(known), ended));
  }

  /** The route that a caller met, as it is by now; throws `TurnedAway` where it asks something else of callers, or is gone. */
  #asItIs(known: FrontRoute): FrontRoute {
    const route = this.#parts.route(known.id);
    if (route === undefined || !hasFront(route))
      throw turnedAway('EDGE_DESTINATION_DELETED', 'the destination was deleted');
    if (!asksTheSame(route, known))
      throw turnedAway('EDGE_TLS_HANDSHAKE', 'the TLS of this front was changed since the caller began');
    return route;
  }

  /** Limits, then source rules and access list. */
  #admit(arrival: Arrival, route: FrontRoute): void {
    if (arrival.leave !== null) return;
    this.#enter(arrival, route.gatewayId);
    const policy = this.#parts.policy(route.gatewayId);
    // Of HTTP each request is judged, and answered with the cause; here only who is to have no handshake is turned away.
    const judge = route.front.protocol === 'http' ? judgeHandshake : judgeNew;
    const cause = judge(route, policy, arrival.address);
    if (cause !== null) throw new TurnedAway(cause);
  }

  /** Takes a place among the callers; `gatewayId` is null where only a request says whose it is. */
  #enter(arrival: Arrival, gatewayId: string | null): void {
    const place = this.#parts.callers.admit(arrival.address.address, gatewayId);
    if (typeof place !== 'function') throw new TurnedAway(place);
    arrival.leave = place;
  }

  async #run(arrival: Arrival, work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.#turnAway(arrival, error);
    } finally {
      arrival.leaveGate();
    }
  }

  #guard(arrival: Arrival, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#turnAway(arrival, error);
    }
  }

  #turnAway(arrival: Arrival, error: unknown): void {
    if (!(error instanceof TurnedAway)) throw error;
    const { socket, route, trackingId, address } = arrival;
    arrival.leave?.();
    resetSocket(socket);
    if (error.why === null) return;
    const what = route === null ? 'a connection was turned away' : 'a caller was turned away';
    this.#parts.refusals.add({ destinationId: route?.id ?? null, trackingId, address }, error.why, what);
  }
}

const unnamedPostgres =
  'a PostgreSQL client asked for TLS by its own question, and no front that ends TLS has the name: give a passed-through one a port of its own';
