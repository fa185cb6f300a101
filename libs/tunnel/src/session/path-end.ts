/** What a session hands frames to, and asks what it has to say. */
import type { TunnelError } from '../error.ts';
import type { Acknowledger } from './late-acknowledgements.ts';
import type { Speaker } from './outbox.ts';
import type { Slab } from '../memory/slab.ts';

/** What stands at this end of a stream's path: a stream, or one side of a relay. */
export interface PathEnd extends Speaker, Acknowledger {
  /** The gateway whose stream it is. */
  readonly scope: string;
  handleFrame(type: number, payload: Buffer): void;
  /** A piece in a slab is good for the call, and longer for whoever holds the slab. `headed`: as `FrameSink` says it. */
  handleData(piece: Buffer, slab: Slab | null, headed: boolean): void;
  handlePathLost(cause: TunnelError): void;
  /** The peer does not answer: what it has not taken yet goes another way, where there is one. */
  handleQuiet(): void;
  /**
   * The peer does not answer: bytes that it owes an acknowledgement of go another way, where there is one. `onAnswer` is
   * called when they are answered there. Returns false where the path stays.
   */
  leaveQuiet(onAnswer: () => void): boolean;
  /** The peer went away and never took this path: what it began with reached nobody. */
  handleNotTaken(cause: TunnelError): void;
}
