/** Why a request was not served. Its code is the serving end's own; what this library finds wrong it names by `Trouble`. */

/** One bad end: a code of docs/ERRORS.md, plain words, and the rule that decided where one did. */
export interface Cause {
  code: string;
  text: string;
  /** The end whose decision it was. */
  end: 'edge' | 'client' | 'resource';
  rule?: string;
}

/** What may go wrong between a caller's first byte and the answer's last, beside `HttpFault`. */
export type Trouble =
  | 'head slow'
  | 'body slow'
  | 'misdirected'
  | 'answer malformed'
  | 'answer cut'
  | 'answer late'
  | 'answer not taken'
  | 'idle';

/** In whose words callers are told: the node's, or the client's for its own listeners. */
export interface Voice {
  readonly end: 'edge' | 'client';
  causeOf(trouble: Trouble, text: string): Cause;
  /** The HTTP status that tells a caller of this code. */
  statusOf(code: string): number;
}
