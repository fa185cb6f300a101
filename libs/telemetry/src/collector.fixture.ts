/** Who takes what OpenTelemetry's exporters send, as a test sees it: OTLP in JSON over HTTP, in this process. */
import { once } from 'node:events';
import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A span as OTLP has it, with its attributes as an object. */
export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly resource: Readonly<Record<string, unknown>>;
  readonly links: readonly { traceId: string; spanId: string }[];
  readonly events: readonly { name: string }[];
  readonly status: { code?: number; message?: string };
}

/** A metric as OTLP has it. */
export interface ReceivedMetric {
  readonly name: string;
  readonly unit: string;
  readonly sum?: { isMonotonic: boolean; dataPoints: ReceivedPoint[] };
  readonly gauge?: { dataPoints: ReceivedPoint[] };
  readonly histogram?: {
    dataPoints: (ReceivedPoint & { bucketCounts: number[]; explicitBounds: number[] })[];
  };
}

interface ReceivedPoint {
  readonly asDouble?: number;
  readonly count?: number;
  readonly sum?: number;
  readonly attributes: readonly Attribute[];
}

interface Attribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

/** What came. */
export class Collector implements AsyncDisposable {
  readonly spans: ReceivedSpan[] = [];
  readonly metrics: ReceivedMetric[] = [];
  readonly authorizations: (string | undefined)[] = [];
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      let text = '';
      request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      request.on('end', () => {
        this.authorizations.push(request.headers.authorization);
        this.#take(JSON.parse(text) as Body);
        response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
      });
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  #take({ resourceSpans = [], resourceMetrics = [] }: Body): void {
    for (const { resource, scopeSpans } of resourceSpans) {
      for (const span of scopeSpans.flatMap(({ spans }) => spans)) {
        this.spans.push({
          ...span,
          links: span.links ?? [],
          events: span.events ?? [],
          attributes: plain(span.attributes),
          resource: plain(resource.attributes),
        });
      }
    }
    for (const { scopeMetrics } of resourceMetrics)
      this.metrics.push(...scopeMetrics.flatMap(({ metrics }) => metrics));
  }
}

/** What is empty is left out. */
type SentSpan = Omit<ReceivedSpan, 'attributes' | 'resource' | 'links' | 'events'> &
  Partial<Pick<ReceivedSpan, 'links' | 'events'>> & { readonly attributes: Attribute[] };

interface Body {
  readonly resourceSpans?: {
    resource: { attributes: Attribute[] };
    scopeSpans: { spans: SentSpan[] }[];
  }[];
  readonly resourceMetrics?: { scopeMetrics: { metrics: ReceivedMetric[] }[] }[];
}

/** Attributes as an object. */
export function plain(attributes: readonly Attribute[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
