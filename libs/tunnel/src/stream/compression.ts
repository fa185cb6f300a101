/**
 * Compression of streams in one process: who may have it, and what it saved. A stream's codecs take about 1 MB at this
 * end, so their number has a bound; an opener that finds none left sends plainly, an acceptor refuses.
 */
import { Shares } from '@postern/share';
import { CompressedStream } from './compressed-stream.ts';
import type { StreamEnd } from './stream-end.ts';

/** The most streams with compression at once in one process: their codecs hold up to 1 GB then. */
export const compressedStreamsMax = 1_024;

/** Counts since the start. */
export interface CompressionCounts {
  /** Streams that have compression now. */
  streams: number;
  /** Bytes that owners sent and got. */
  plainBytes: number;
  /** What these were in the tunnel. */
  tunnelBytes: number;
}

/** One for a process. */
export class Compression {
  readonly #streams: Shares;
  #plainBytes = 0;
  #tunnelBytes = 0;

  /** Where gateways know nothing of each other, one has `perScopeMax` at most. */
  constructor(max: number = compressedStreamsMax, perScopeMax: number = max) {
    this.#streams = new Shares(max, perScopeMax);
  }

  /** Whether one more stream of this gateway may have it. */
  hasRoomFor(scope: string): boolean {
    return this.#streams.whyFull(scope) === null;
  }

  get counts(): Readonly<CompressionCounts> {
    return { streams: this.#streams.total, plainBytes: this.#plainBytes, tunnelBytes: this.#tunnelBytes };
  }

  /** The same stream with its data compressed in the tunnel; before anything was sent or came. The caller has looked for room. */
  wrap(stream: StreamEnd): StreamEnd {
    const { scope } = stream;
    this.#streams.take(scope);
    return new CompressedStream(stream, {
      onBytes: (plain, inTunnel) => {
        this.#plainBytes += plain;
        this.#tunnelBytes += inTunnel;
      },
      onOver: () => this.#streams.leave(scope),
    });
  }
}
