/**
 * A stream as its owner sees it: what a caller's socket, a resource's socket or an HTTP message is joined with. It is
 * implemented by `Stream`, and by `CompressedStream` around one.
 */
import type { ResetCode } from '../error.ts';
import type { Slab } from '../memory/slab.ts';

/** The process that holds an end of a stream. */
export interface ProcessName {
  id: string;
  bootId: string;
}

/** Who ended it, and how. */
export type ResetOrigin = 'here' | 'peer';

/** What an owner hears from its stream. Handlers are set before anything can arrive: at `open` or before `accept`. */
export interface StreamEvents {
  /** The other end took the stream (opener only). */
  onOpened?(): void;
  /** Bytes in order. The buffer may be kept. Call `deliver` when they have left this process. */
  onData?(piece: Buffer): void;
  /** The same for bytes that lie in a slab: good for the call, and until `release` for who calls `hold`. Without this they are copied for `onData`. */
  onSlabData?(piece: Buffer, slab: Slab): void;
  /** No more bytes will come. Call `deliverEnd` when that has been passed on. */
  onEnd?(): void;
  /** `room` is above zero again. */
  onRoom?(): void;
  /** The stream ended early. Nothing follows. */
  onReset?(code: number, text: string, origin: ResetOrigin): void;
  /** Both directions ended in order. Nothing follows. */
  onDone?(): void;
  /** One datagram. */
  onDatagram?(payload: Buffer): void;
}

/** What has become of it at this end. */
export type StreamPhase = 'opening' | 'offered' | 'open' | 'over';

/** One end of a stream. Offsets and counts are of the bytes that its owner gives and gets. */
export interface StreamEnd {
  readonly metadata: unknown;
  /** Gateway and process at the other end. */
  readonly scope: string;
  readonly peer: ProcessName;
  events: StreamEvents;
  readonly phase: StreamPhase;
  /** When the path was lost; null while there is one that the other end has answered on. */
  readonly pathLostAt: number | null;
  /** Whether the session that carries it owes an answer for longer than one should take. */
  readonly quiet: boolean;
  /** Bytes that `write` takes now. It may go over by one chunk; below zero it is over already. */
  readonly room: number;
  /** For how many bytes more there is memory here, whatever the other end takes. */
  readonly freeBytes: number;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  /** The owner takes the stream that was offered. */
  accept(): void;
  /** Sends bytes; takes the buffer over, and releases its slab when it is no longer needed. */
  write(bytes: Buffer, slab?: Slab | null): void;
  /** Sends a copy of bytes; for small ones, out of a buffer that is used again. */
  writeCopy(bytes: Uint8Array): void;
  /** No more bytes will be written. */
  end(): void;
  /** Ends both directions at once, and says why to the other end. */
  reset(code: ResetCode, text: string): void;
  /** `bytes` of what `onData` gave have left this process. */
  deliver(bytes: number): void;
  /** The end that `onEnd` told of has been passed on. */
  deliverEnd(): void;
  /** Sends one datagram, or drops the oldest that wait when there are too many; returns how many it dropped. */
  sendDatagram(payload: Uint8Array): number;
}
