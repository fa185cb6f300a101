/** A request to an HTTP front: a `FrontErrand` with what HTTP asks of it beside. */
import type { FrontRoute, Policy, Route } from '@postern/contracts';
import type { ConnectionFacts, HttpErrand, HttpRequest } from '@postern/exchange';
import type { AnswerNames } from '@postern/http';
import type { CallerCause } from '../errors.ts';
import { FrontErrand, type FrontErrandParts } from '../caller/front-errand.ts';
import { accessListOf } from '../access/rulebook.ts';
import { type Revisions, namesOf, resourceKeyOf } from './resource-names.ts';

/** What a request needs of the node. */
export interface RequestErrandParts extends FrontErrandParts {
  /** Of the contents by which resources are reached. */
  revisions: Revisions;
  /** Why no further request may wait for a client; null when it may. */
  whyFull(gatewayId: string): CallerCause | null;
}

/** What a request of a connection was last allowed by, where its path did not matter: the next need not be judged. */
const allowed = new WeakMap<ConnectionFacts, { route: Route; policy: Policy }>();

/** One request's. */
export class RequestErrand extends FrontErrand implements HttpErrand {
  readonly resourceKey: string;
  readonly names: AnswerNames;
  readonly port: number;
  readonly #parts: RequestErrandParts;
  readonly #route: FrontRoute;
  readonly #connection: ConnectionFacts;

  constructor(parts: RequestErrandParts, route: FrontRoute, request: HttpRequest) {
    const { trackingId, address } = request;
    // The place is its connection's.
    const about = { route, trackingId, address, leave: nothing };
    super(parts, about, parts.traces?.startRequest(route, request) ?? null, request);
    this.resourceKey = resourceKeyOf(route, parts.revisions);
    this.names = namesOf(route, request.caller);
    this.port = route.front.port;
    this.#parts = parts;
    this.#route = route;
    this.#connection = request.connection;
  }

  /** The rules are the same objects until they change, and so is their answer where no rule has a path. */
  override whyNot(): CallerCause | null {
    const full = this.#parts.whyFull(this.gatewayId);
    if (full !== null) return full;
    const policy = this.#parts.policy(this.gatewayId);
    const last = allowed.get(this.#connection);
    if (last?.route === this.#route && last.policy === policy) return null;
    const cause = super.whyNot();
    if (cause === null && policy !== undefined && !accessListOf(policy).hasPaths)
      allowed.set(this.#connection, { route: this.#route, policy });
    else allowed.delete(this.#connection);
    return cause;
  }
}

function nothing(): void {}
