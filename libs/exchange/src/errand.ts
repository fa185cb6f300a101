/**
 * What a caller wants, its bytes carried or one request, as the end that took it knows it: how it is judged, which ways
 * lead to its resource, and who hears what became of it. The node has one kind (front, clients), the client another (its
 * listener, nodes); `BytePipe` and `Exchange` do not know which they run.
 */
import type { AnswerNames } from '@postern/http';
import type { ProcessName, ResetCode, Stream } from '@postern/tunnel';
import type { Cause } from './cause.ts';

/** One way to the process that reaches the resource. */
export interface Way {
  /** The process that dials, be it by one path or another: connections are kept by it. */
  readonly peerId: string;
  /** The trace as the resource is told of it; null: what the caller told is passed on. */
  readonly trace?: { readonly traceparent: string; readonly tracestate?: string | undefined } | null;
  /** Opens a stream; throws `TunnelError` where there is no room for one. */
  open(): Stream;
  /** Nothing reached the resource by it: `code` says why, null that no stream could be opened here. */
  onRefused(code: ResetCode | null, text: string): void;
}

/** What is under way, as its errand holds it. */
export interface Running {
  /** The process that reaches the resource; null before there is one. */
  readonly process: ProcessName | null;
  /** Whether the other end has taken it. */
  readonly opened: boolean;
  /** Whether the other end took a new stream for it. */
  readonly tookStream: boolean;
  readonly bytes: { fromCaller: number; toCaller: number };
  /** Ends it at once, both ways, a request with an answer where none has begun; `code` is told to the other end. */
  end(cause: Cause, code?: ResetCode): void;
  /** About once a second, with the monotonic time in ms. */
  tick(now: number): void;
}

/** One caller's, or one request's. */
export interface Errand {
  /** How long the other end may take to say whether it has reached the resource, in seconds. */
  readonly answerSeconds: number;
  /** What has no byte for so long is ended; 0 never. */
  readonly idleTimeoutSeconds: number;
  /** Why it may not be carried; null when it may. Asked once, before all else. */
  whyNot(): Cause | null;
  /** The best way that has not been tried, or why there is none; null where there may be one soon: then `retry` is called, once. */
  nextWay(retry: () => void): Way | Cause | null;
  /** Whether there is another process that could serve it now. Asked of a UDP flow whose own has gone. */
  hasOther(process: ProcessName): boolean;
  /** The other end gave no answer for `answerSeconds`. */
  silence(): Cause;
  /** The cause in a RESET. `opened`: the resource had been reached. */
  causeOfReset(code: ResetCode, text: string, opened: boolean): Cause;
  onStart(running: Running): void;
  /** The other end has taken it; `fresh`: over a new stream. */
  onOpened(fresh: boolean): void;
  /** It is over; `cause` is null when in order, or when the caller itself went. `status` is the answer's; 0 without one. */
  onOver(cause: Cause | null, status: number): void;
}

/** One request's errand. */
export interface HttpErrand extends Errand {
  readonly destinationId: string;
  /** Connections to the resource are shared only where it is the same. */
  readonly resourceKey: string;
  readonly names: AnswerNames;
  /** The port that the caller called. */
  readonly port: number;
}
