/**
 * What a request is for, as the end that took it knows it: how it is judged, which ways lead to its resource, and who
 * hears what became of it. The node has one kind (front, clients), the client another (its listener, nodes); the
 * exchange does not know which it runs.
 */
import type { AnswerNames } from '@postern/http';
import type { ProcessName, ResetCode, Stream } from '@postern/tunnel';
import type { Cause } from './cause.ts';

/** One way to the process that reaches the resource. */
export interface Way {
  /** Connections are kept by it: a process that dials, be it by one path or another. */
  readonly peerId: string;
  /** The trace as the resource is told of it; null: what the caller told is passed on. */
  readonly trace?: { readonly traceparent: string; readonly tracestate?: string | undefined } | null;
  /** Opens a stream; throws `TunnelError` where there is no room for one. */
  open(): Stream;
  /** Nothing reached the resource by it: `code` says why, null that no stream could be opened here. */
  onRefused(code: ResetCode | null, text: string): void;
}

/** A request that is under way, as its errand holds it. */
export interface RunningExchange {
  /** The process that reaches the resource; null before there is one. */
  readonly process: ProcessName | null;
  /** Whether the other end has taken the request. */
  readonly opened: boolean;
  /** Whether a new stream was taken for it. */
  readonly tookStream: boolean;
  /** The answer's status; 0 before there is one. */
  readonly status: number;
  readonly bytes: { fromCaller: number; toCaller: number };
  /** Ends it, with an answer where none has begun; `code` is told to the other end. */
  end(cause: Cause, code?: ResetCode): void;
  /** About once a second, with the monotonic time in ms. */
  tick(now: number): void;
}

/** One request's errand. */
export interface Errand {
  readonly destinationId: string;
  /** Connections to the resource are shared only where it is the same. */
  readonly resourceKey: string;
  readonly names: AnswerNames;
  /** The port that the caller called. */
  readonly port: number;
  /** How long the other end may take to say whether it has reached the resource, in seconds. */
  readonly answerSeconds: number;
  /** A request without a byte for so long is ended; 0 never. */
  readonly idleTimeoutSeconds: number;
  /** Why the request may not be sent; null when it may. Asked once, before all else. */
  whyNot(): Cause | null;
  /** The best way that has not been tried, or why there is none; null where there may be one soon: then `retry` is called, once. */
  nextWay(retry: () => void): Way | Cause | null;
  /** The other end gave no answer for `answerSeconds`. */
  silence(): Cause;
  /** The cause in a RESET. `opened`: the resource had been reached. */
  causeOfReset(code: ResetCode, text: string, opened: boolean): Cause;
  onStart(exchange: RunningExchange): void;
  /** The other end has taken the request; `fresh`: over a new stream. */
  onOpened(fresh: boolean): void;
  /** The request is over; `cause` is null when in order, or when the caller itself went. */
  onOver(cause: Cause | null): void;
}
