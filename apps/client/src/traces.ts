/**
 * The client's spans, by the names of OpenTelemetry's conventions where there is one: `serve` from OPEN to the stream's end,
 * in it `dial` until the resource was reached, with each step as an event; for a cloud destination's caller `caller`, in it
 * one `open` for each node that is asked. Without `traceparent` in OPEN a stream is not traced here either.
 */
import { type CloudDestination, type OpenMetadata, traceparentOf } from '@postern/contracts';
import type { DialStep } from '@postern/dial';
import type { TraceSpan, Tracing } from '@postern/telemetry';

/** Asked for each stream, since telemetry starts after the client was put together; null: none is wanted. */
export type TracingSource = () => Tracing | null;

/** A stream that a node opened. */
export function startServe(
  tracing: TracingSource,
  clientId: string,
  metadata: OpenMetadata,
): TraceSpan | null {
  const traceparent = traceparentOf(metadata);
  if (traceparent === null) return null;
  return sampled(
    tracing()?.start('serve', {
      kind: 'server',
      attributes: {
        'postern.client.id': clientId,
        'postern.destination.id': metadata.destinationId,
        'postern.tracking_id': metadata.trackingId,
        'network.transport': metadata.protocol ?? 'tcp',
      },
      parent: { traceparent },
    }),
  );
}

/** The way to the resource. */
export function startDial(
  tracing: TracingSource,
  parent: TraceSpan | null,
  { host, port }: OpenMetadata,
): TraceSpan | null {
  if (parent === null) return null;
  const attributes = { 'server.address': host, 'server.port': port };
  return tracing()?.start('dial', { kind: 'client', attributes, parent }) ?? null;
}

/** A step of it is done. */
export function tellStep(span: TraceSpan, { name, ok, ms, text }: DialStep): void {
  span.event(name, { 'postern.step.ok': ok, 'postern.step.duration_ms': ms, 'postern.step.text': text });
}

/** A caller of a cloud destination; null where it is not sampled. */
export function startCloudCaller(
  tracing: TracingSource,
  destination: CloudDestination,
  trackingId: string,
  address: { address: string; port: number },
): TraceSpan | null {
  return sampled(
    tracing()?.start('caller', {
      kind: 'server',
      attributes: {
        'postern.destination.id': destination.id,
        'postern.tracking_id': trackingId,
        'network.transport': destination.protocol,
        'client.address': address.address,
        'client.port': address.port,
      },
    }),
  );
}

/** A node is asked to reach a cloud destination's resource. */
export function startCloudOpening(
  tracing: TracingSource,
  parent: TraceSpan | null,
  node: string,
): TraceSpan | null {
  if (parent === null) return null;
  return tracing()?.start('open', { kind: 'client', attributes: { 'postern.node': node }, parent }) ?? null;
}

function sampled(span: TraceSpan | undefined): TraceSpan | null {
  return span?.sampled === true ? span : null;
}
