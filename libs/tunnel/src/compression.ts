/**
 * Compression of streams in one process: who may have it, and what it saved. A stream's codecs take about 1 MB at this
 * end, so their number has a bound; an opener that finds none left sends plainly, an acceptor refuses.
 */
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
  readonly #max: number;
  readonly #counts: CompressionCounts = { streams: 0, plainBytes: 0, tunnelBytes: 0 };

  constructor(max: number = compressedStreamsMax) {
    this.#max = max;
  }

  /** Whether one more stream may have it. */
  get hasRoom(): boolean {
    return this.#counts.streams < this.#max;
  }

  get counts(): Readonly<CompressionCounts> {
    return this.#counts;
  }

  /** The same stream with its data compressed in the tunnel; before anything was sent or came. The caller has looked for room. */
  wrap(stream: StreamEnd): StreamEnd {
    this.#counts.streams += 1;
    return new CompressedStream(stream, {
      onBytes: (plain, inTunnel) => {
        this.#counts.plainBytes += plain;
        this.#counts.tunnelBytes += inTunnel;
      },
      onOver: () => (this.#counts.streams -= 1),
    });
  }
}
