/**
 * The spans of a node, by the names of OpenTelemetry's conventions where there is one:
 *
 *     caller, or the request's method      from accept (or the request's head) to the end
 *       └─ open, or the method again       what is asked of one client; each try has its own
 *            └─ relay                      at the node in between, until it is answered
 *                 └─ serve, dial           the client's
 *
 * A caller that is not sampled has no spans, and its OPEN no `traceparent`, so that nobody behind traces it either. A
 * request that is not sampled has a context all the same, which its resource is told.
 */
import { type CloudOpenMetadata, type Route, traceparentOf } from '@postern/contracts';
import type { Field } from '@postern/http';
import type { SpanAttributes, TraceContext, TraceSpan, Tracing } from '@postern/telemetry';
import type { CallerAbout } from './caller/accepted-caller.ts';
import type { CallerCause } from './errors.ts';
import type { HttpRequest } from '@postern/exchange';
import type { Upstream } from './upstream.ts';

/** W3C allows no more of what a peer must pass on. */
const tracestateCharactersMax = 512;

/** Where spans begin; made only where traces are wanted. */
export class Traces {
  readonly #tracing: Tracing;
  readonly #node: string;
  readonly #trustsCallers: boolean;

  constructor(tracing: Tracing, options: { name: string; trustTraceparent: boolean }) {
    this.#tracing = tracing;
    this.#node = options.name;
    this.#trustsCallers = options.trustTraceparent;
  }

  /** A caller's bytes or datagrams; null where it is not sampled. */
  startCaller(about: CallerAbout): TraceSpan | null {
    const { route, address, arrivedAt } = about;
    const span = this.#tracing.start('caller', {
      kind: 'server',
      attributes: () => ({
        ...this.#destination(route, about.trackingId),
        'network.transport': route.front.protocol === 'udp' ? 'udp' : 'tcp',
        'client.address': address.address,
        'client.port': address.port,
        'server.address': route.front.host,
        'server.port': route.front.port,
      }),
      startedAt: arrivedAt,
    });
    return span.sampled ? span : null;
  }

  /** A request; what its caller says of a trace is gone on with, or linked to. */
  startRequest(route: Route, request: HttpRequest): TraceSpan {
    const { method, path, caller, address, version, trackingId } = request;
    const told = traceContextOf(request.fields);
    return this.#tracing.start(method, {
      kind: 'server',
      attributes: () => ({
        ...this.#destination(route, trackingId),
        'http.request.method': method,
        'url.scheme': caller.scheme,
        'url.path': path,
        'network.protocol.version': version,
        'client.address': address.address,
        'client.port': address.port,
        'server.address': caller.authority,
      }),
      parent: this.#trustsCallers ? told : null,
      link: this.#trustsCallers ? null : told,
    });
  }

  /** One client is asked. */
  startOpening(parent: TraceSpan, name: string, upstream: Upstream, attributes: SpanAttributes): TraceSpan {
    return this.#tracing.start(name, {
      kind: 'client',
      attributes: {
        ...attributes,
        'postern.client.id': upstream.clientId,
        'postern.relay.node': upstream.node,
      },
      parent,
    });
  }

  /** A stream of another node is passed on, of whose metadata nothing else is looked at; null where it is not traced. */
  startRelay(metadata: unknown, client: string): TraceSpan | null {
    const traceparent = traceparentOf(metadata);
    if (traceparent === null) return null;
    const span = this.#tracing.start('relay', {
      kind: 'internal',
      attributes: { 'postern.node': this.#node, 'postern.client.id': client },
      parent: { traceparent },
    });
    return span.sampled ? span : null;
  }

  /** What a client opened for a cloud destination; null where the client does not trace it. */
  startCloud(metadata: CloudOpenMetadata, attributes: SpanAttributes): TraceSpan | null {
    const traceparent = traceparentOf(metadata);
    if (traceparent === null) return null;
    const span = this.#tracing.start('serve', {
      kind: 'server',
      attributes: { ...attributes, 'postern.node': this.#node },
      parent: { traceparent },
    });
    return span.sampled ? span : null;
  }

  #destination(route: Route, trackingId: string): SpanAttributes {
    return {
      'postern.node': this.#node,
      'postern.gateway.id': route.gatewayId,
      'postern.destination.id': route.id,
      'postern.tracking_id': trackingId,
    };
  }
}

/** What went wrong, as spans tell it. */
export function errorOf(cause: CallerCause | null): { type: string; message: string } | null {
  return cause === null ? null : { type: cause.code, message: cause.text };
}

/** The status of an answer, where there is one. */
export function statusAttributes(status: number): SpanAttributes {
  return status === 0 ? {} : { 'http.response.status_code': status };
}

/** The caller has gone, or its request, where there is a `status`, is over. */
export function endSpan(
  span: TraceSpan,
  status: number,
  { fromCaller, toCaller }: { fromCaller: number; toCaller: number },
  cause: CallerCause | null,
): void {
  span.set(statusAttributes(status));
  if (status >= 500) span.set({ 'error.type': String(status) });
  span.set({ 'postern.bytes.from_caller': fromCaller, 'postern.bytes.to_caller': toCaller });
  span.end(errorOf(cause));
}

/** What a request says of its trace; null where it says nothing, or more than one thing. */
function traceContextOf(fields: readonly Field[]): TraceContext | null {
  let traceparent: string | null = null;
  let tracestate = '';
  for (const { key, value } of fields) {
    if (key === 'traceparent') {
      if (traceparent !== null) return null;
      traceparent = value;
    } else if (key === 'tracestate') tracestate = tracestate === '' ? value : `${tracestate},${value}`;
  }
  if (traceparent === null) return null;
  return tracestate === '' || tracestate.length > tracestateCharactersMax
    ? { traceparent }
    : { traceparent, tracestate };
}
