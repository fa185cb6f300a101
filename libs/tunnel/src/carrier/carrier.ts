/**
 * A carrier: an ordered, reliable, secret pipe of bytes between two processes. TLS, WebSocket and in-memory
 * ones exist; the session above does not know which it has.
 */
import type { Slab } from '../memory/slab.ts';

/** How a tunnel travels. */
export type Transport = 'direct' | 'websocket' | 'memory';

/** What a carrier tells its session. After `handleClose` it says nothing more. */
export interface CarrierEvents {
  /** Without a slab the buffer may be kept; one in a slab is good for the call, and longer for whoever holds the slab. */
  handleBytes(chunk: Buffer, slab?: Slab | null): void;
  handleClose(error: Error | null): void;
}

/** What a session asks of its carrier. */
export interface Carrier {
  readonly transport: Transport;
  /** The other end as `address:port`, for operators. */
  readonly remoteAddress: string;
  /** Begins delivery; called once. */
  start(events: CarrierEvents): void;
  /** Brings little more until `resume`: what was on the way already. */
  pause(): void;
  resume(): void;
  /** Takes one buffer and calls `done` when it takes the next. Never called again before that. */
  write(bytes: Buffer, done: () => void): void;
  /** Sends what was taken and these last bytes, then ends. */
  end(last: Buffer): void;
  /** Ends at once. Idempotent. */
  destroy(): void;
}
