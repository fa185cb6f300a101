/**
 * Serves the streams that nodes open to one gateway's client: reads what is wanted, lets `reachResource` reach it, joins
 * stream and socket, of TCP or UDP. Bounded in how many dials wait at once; streams themselves are bounded by the tunnel. A stream that
 * ends while its dial waits ends the dial; a list that changes ends the streams that it no longer allows.
 */
import { OpenMetadata } from '@postern/contracts';
import {
  type DialStep,
  type DialingEnd,
  type Reached,
  ResourceError,
  type ResourceParts,
  denialNow,
  reachResource,
} from '@postern/dial';
import { type FileReserve, LineLimit, type Logger, type TraceSpan } from '@postern/telemetry';
import {
  type Compression,
  type Joined,
  ResetCode,
  SlotMap,
  type Stream,
  describeReset,
  resetCodeName,
} from '@postern/tunnel';
import { Compile } from 'typebox/compile';
import { type TracingSource, startDial, startServe, tellStep } from '../traces.ts';

/**
 * The most resources that are being dialled at once for one gateway. Wide enough for every caller of a restarted
 * application at once: they do not wait in line, because one resource that drops packets would hold up the others.
 */
export const pendingDialsMax = 4_096;

const refusalLinesPerSecondMax = 50;
/** Of those for which there is no room each says the same. */
const fullLinesPerSecondMax = 1;
const metadataCheck = Compile(OpenMetadata);
/** In whose words this client tells what it met. */
export const clientEnd: DialingEnd = {
  name: 'the client',
  nameRemedy: "add it by --hosts NAME=ADDRESS, or to the destination's hosts, or mend DNS there",
};

/** What a server of streams needs. */
export interface StreamServerOptions extends Omit<ResourceParts, 'end' | 'onStep'> {
  readonly logger: Logger;
  readonly compression: Compression;
  readonly files: FileReserve;
  readonly tracing: TracingSource;
  readonly clientId: () => string;
  readonly pendingDialsMax?: number;
}

interface Running {
  readonly stream: Stream;
  readonly metadata: OpenMetadata;
  readonly address: string | null;
  readonly span: TraceSpan | null;
}

/** Counts since the start, for status lines. */
export interface StreamCounts {
  served: number;
  refused: number;
  bytesFromResource: number;
  bytesToResource: number;
  datagramsDropped: number;
}

/** One for each gateway. */
export class StreamServer {
  readonly #options: StreamServerOptions;
  readonly #pending = new SlotMap<number, AbortController>();
  readonly #running = new SlotMap<number, Running>();
  #begun = 0;
  readonly #lines = new LineLimit(refusalLinesPerSecondMax);
  readonly #fullLines = new LineLimit(fullLinesPerSecondMax);
  readonly counts: StreamCounts = {
    served: 0,
    refused: 0,
    bytesFromResource: 0,
    bytesToResource: 0,
    datagramsDropped: 0,
  };

  constructor(options: StreamServerOptions) {
    this.#options = options;
  }

  /** Streams that are joined to a resource. */
  get runningCount(): number {
    return this.#running.size;
  }

  /** Resources that are being dialled. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  /** Takes a stream that a node opened; resolves when it is over. Never rejects. */
  async serve(stream: Stream): Promise<void> {
    const metadata = stream.metadata;
    if (!metadataCheck.Check(metadata)) {
      return this.#refuse(
        stream,
        null,
        new ResourceError(ResetCode.Protocol, 'OPEN does not say what to dial'),
      );
    }
    const span = startServe(this.#options.tracing, this.#options.clientId(), metadata);
    const full = this.#whyFull(stream, metadata);
    if (full !== null) return this.#refuse(stream, metadata, new ResourceError(ResetCode.Limit, full), span);
    const plain = metadata.compress === undefined ? stream : this.#options.compression.wrap(stream);
    await this.#serve(plain, metadata, span);
  }

  /** Why there is no room for a stream; null where there is. */
  #whyFull(stream: Stream, { compress }: OpenMetadata): string | null {
    const { compression, files } = this.#options;
    if (this.#pending.size >= (this.#options.pendingDialsMax ?? pendingDialsMax))
      return `the client is dialling ${this.#pending.size} resources already`;
    if (compress !== undefined && !compression.hasRoomFor(stream.scope))
      return `the client has ${compression.counts.streams} compressed streams already`;
    return files.take() ? null : 'the client has few file descriptors left';
  }

  async #serve(stream: Stream, metadata: OpenMetadata, span: TraceSpan | null): Promise<void> {
    const reached = await this.#dial(stream, metadata, span);
    if (reached !== null) await this.#join({ stream, metadata, address: reached.address, span }, reached);
    // Whoever gave up meanwhile has told why in its own span.
    span?.end();
  }

  /** A list has changed: streams that it denies are reset. */
  recheck(): void {
    for (const { stream, metadata, address, span } of this.#running.values()) {
      const denial = denialNow(this.#options, metadata, address);
      if (denial === null) continue;
      const text = `${metadata.host}:${metadata.port} is no longer allowed by ${denial.reason}`;
      this.#options.logger.warn({ ...tags(metadata, span), rule: denial.rule }, text);
      stream.reset(ResetCode.Denied, text);
    }
  }

  /** Gives up every dial that waits. */
  close(): void {
    for (const abort of this.#pending.values()) abort.abort(new Error('the client is stopping'));
  }

  async #dial(stream: Stream, metadata: OpenMetadata, span: TraceSpan | null): Promise<Reached | null> {
    const abort = new AbortController();
    const number = (this.#begun += 1);
    this.#pending.set(number, abort);
    const dial = startDial(this.#options.tracing, span, metadata);
    const onStep = dial === null ? {} : { onStep: (step: DialStep) => tellStep(dial, step) };
    const onDropped = (count: number): void => void (this.counts.datagramsDropped += count);
    const parts = { ...this.#options, end: clientEnd, ...onStep };
    try {
      const reached = await reachResource(parts, metadata, stream, abort, onDropped);
      dial?.end(reached === null ? streamEnded : null);
      return reached;
    } catch (error) {
      const fault = asResourceError(error);
      dial?.end({ type: resetCodeName(fault.reset), message: fault.message });
      this.#refuse(stream, metadata, fault, span);
      return null;
    } finally {
      this.#pending.delete(number);
    }
  }

  async #join(running: Running, reached: Reached): Promise<void> {
    const { stream, metadata, span } = running;
    const number = (this.#begun += 1);
    this.#running.set(number, running);
    this.counts.served += 1;
    this.#tellJoined(running);
    try {
      const joined = reached.join();
      stream.accept();
      const result = await joined;
      this.#account(running, result);
    } catch (error) {
      reached.close();
      this.#options.logger.error({ ...tags(metadata, span), error }, 'a stream failed');
      stream.reset(ResetCode.Internal, 'the client failed; its log has the cause');
    } finally {
      this.#running.delete(number);
    }
  }

  #account({ metadata, span }: Running, { received, sent, reset }: Joined): void {
    this.counts.bytesFromResource += received;
    this.counts.bytesToResource += sent;
    span?.set({ 'postern.bytes.from_resource': received, 'postern.bytes.to_resource': sent });
    if (reset !== null) span?.event('reset', { code: resetCodeName(reset.code), text: reset.text });
    // A network that was gone for too long is for the operator to know; how applications end is theirs.
    const isWarning = reset?.code === ResetCode.PathLost && this.#lines.take() !== null;
    if (!isWarning && !this.#tellsAll) return;
    const fields = { ...tags(metadata, span), bytesFromResource: received, bytesToResource: sent };
    const text = reset === null ? 'a stream is over' : `a stream was reset: ${describeReset(reset)}`;
    this.#options.logger[isWarning ? 'warn' : 'debug'](fields, text);
  }

  #tellJoined({ metadata, span }: Running): void {
    if (!this.#tellsAll) return;
    this.#options.logger.debug(tags(metadata, span), `connected to ${metadata.host}:${metadata.port}`);
  }

  /** Asked before lines are put together that nobody reads, one for each stream. */
  get #tellsAll(): boolean {
    return this.#options.logger.isLevelEnabled('debug');
  }

  #refuse(
    stream: Stream,
    metadata: OpenMetadata | null,
    error: ResourceError,
    span: TraceSpan | null = null,
  ): void {
    this.counts.refused += 1;
    stream.reset(error.reset, error.message);
    span?.end({ type: resetCodeName(error.reset), message: error.message });
    const more = (error.reset === ResetCode.Limit ? this.#fullLines : this.#lines).take();
    if (more === null) return;
    const fields = {
      ...more,
      ...(metadata === null ? {} : tags(metadata, span)),
      reset: resetCodeName(error.reset),
      rule: error.decision?.rule ?? undefined,
    };
    this.#options.logger.warn(fields, `a stream was refused: ${error.message}`);
  }
}

/** How the trace of a dial ends that nobody waits for any more. */
const streamEnded = { type: resetCodeName(ResetCode.ShuttingDown), message: 'the stream has ended' };

function tags({ destinationId, trackingId, caller }: OpenMetadata, span: TraceSpan | null): object {
  const own = { destinationId, trackingId, caller: `${caller.address}:${caller.port}` };
  return span === null ? own : { ...own, ...span.logFields };
}

function asResourceError(error: unknown): ResourceError {
  if (error instanceof ResourceError) return error;
  return new ResourceError(
    ResetCode.ShuttingDown,
    error instanceof Error ? error.message : 'the client is stopping',
    { cause: error },
  );
}
