/** What a request is once it has been read, whichever version of HTTP brought it, and who takes its answer. */
import type { CallerFacts, Field, Framing, RequestDestination, ResponseHead } from '@postern/http';
import type { Slab, Stream } from '@postern/tunnel';
import type { Cause } from './cause.ts';

/** Who calls. */
export interface CallerAddress {
  address: string;
  port: number;
}

/** A connection of a caller, as what came before HTTP knows it. */
export interface ConnectionFacts {
  caller: CallerAddress;
  /** Whether the connection is TLS. */
  secure: boolean;
  /** The name that the caller asked for in TLS. */
  serverName: string | null;
  /** The verified certificate of the caller in DER, where it has shown one. */
  certificate: Buffer | null;
  /** The caller is a balancer whose word on its own callers is taken. */
  trusted: boolean;
}

/** A request on its way to its resource. */
export interface HttpRequest {
  trackingId: string;
  method: string;
  /** The normalized path: what is decided on, and what is sent. */
  path: string;
  query: string;
  /** What it writes to beside, with its path normalized. */
  destination: RequestDestination | null;
  fields: readonly Field[];
  framing: Framing;
  /** As in Via. */
  version: string;
  upgrade: string | null;
  caller: CallerFacts;
  address: CallerAddress;
  connection: ConnectionFacts;
}

/** The paths of a request that must be allowed; `OPTIONS *` has none. */
export function pathsOf({ path, destination }: HttpRequest): { path?: string; otherPath?: string | null } {
  const own = path === '*' ? {} : { path };
  return destination === null ? own : { ...own, otherPath: destination.path };
}

/** NTLM and Negotiate make a connection somebody's own: no other caller may have it. */
export function isPersonal({ fields }: HttpRequest): boolean {
  return fields.some(({ key, value }) => key === 'authorization' && /^(?:ntlm|negotiate)\b/i.test(value));
}

/** An answer's head on its way to the caller. */
export interface Answer {
  head: ResponseHead;
  framing: Framing;
  /** The fields that go on, but those of the framing. */
  fields: readonly Field[];
  /** The rest of a request that is not whole is still taken. */
  takesRest: boolean;
}

/** The caller's side of one request. */
export interface AnswerSink {
  sendInformation(status: number, fields: readonly Field[]): void;
  sendHead(answer: Answer): void;
  /** A piece in a slab is good for the call, and longer for who holds the slab; any other may be kept. */
  sendBody(piece: Buffer, slab: Slab | null): void;
  sendEnd(trailers: readonly Field[]): void;
  /** Hands on what was gathered; false when the caller takes no more for now. Then the exchange's `readOn` is called. */
  flush(): boolean;
  /** The same, and what is much may wait for more until the end of the turn. */
  flushSoon(): boolean;
  /** Bytes of the answer that the caller has not taken, as far as can be seen. */
  readonly unsent: number;
  /** An answer of the serving end's own, in place of the resource's. */
  sendRefusal(cause: Cause): void;
  /** The answer may not be completed, and ends at once; the caller must see that it is not whole. */
  abort(): void;
  /** The answer cannot be completed: the caller gets what has come of it, and must see that it is not whole. */
  breakOff(): void;
  /** The resource has changed to another protocol. Returns when both ends are joined, and says how that ended. */
  switchProtocols(
    head: ResponseHead,
    fields: readonly Field[],
    stream: Stream,
    rest: Buffer,
  ): Promise<Switched>;
  /** There is room for more of the request's body. */
  onRoom(): void;
  /** Nothing follows. */
  onOver(): void;
}

/** How a connection that was switched ended; null in order. */
export type Switched = { code: number; text: string; origin: 'here' | 'peer' } | null;
