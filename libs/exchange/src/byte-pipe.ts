/**
 * One caller whose protocol is not read, from judgement to its end: a TCP connection or a UDP flow, which are both a
 * `CallerEnd`. Follow a byte: socket, `Opening` until the other end has taken the stream, then `joinSocket` of libs/tunnel,
 * which pumps both ways; nothing here is done per byte.
 *
 *     judged ──► opening by a way ──OPENED──► joined ──► over
 *        │           │    ▲                      │
 *        │           └────┘ nothing was reached: │ rules changed, other end restarted, path lost, reset, idle
 *        ▼                  the next way         ▼
 *      refused ◄──────── no way is left        reset
 *
 * Nothing was reached too where the other end is gone and the caller has said nothing yet, as one that waits for a greeting.
 * A caller that cannot be served is reset: what it speaks is not known, so there is nothing to say to it.
 */
import {
  type CallerEnd,
  type Joined,
  type ProcessName,
  ResetCode,
  type Stream,
  TunnelError,
  saysNothingReached,
} from '@postern/tunnel';
import type { Cause, Voice } from './cause.ts';
import type { Errand, Running, Way } from './errand.ts';

/**
 * A flow's other end that comes back takes less. A flow has nothing to lose but what was on its way, so then it rather begins
 * anew elsewhere, with its next datagram, than waits with the connections.
 */
const flowPathWaitMs = 5_000;

/** One caller's bytes or datagrams. */
export class BytePipe implements Running {
  readonly #errand: Errand;
  readonly #end: CallerEnd;
  readonly #voice: Voice;
  #opening: ReturnType<CallerEnd['open']> | null = null;
  #way: Way | null = null;
  #stream: Stream | null = null;
  #opened = false;
  #over = false;
  /** Why this end itself ended it. */
  #cause: Cause | null = null;
  #bytesSeen = 0;
  #quietSince = performance.now();

  constructor(errand: Errand, end: CallerEnd, voice: Voice) {
    this.#errand = errand;
    this.#end = end;
    this.#voice = voice;
  }

  get process(): ProcessName | null {
    return this.#stream?.peer ?? null;
  }

  get opened(): boolean {
    return this.#opened;
  }

  get tookStream(): boolean {
    return this.#opened;
  }

  get bytes(): { fromCaller: number; toCaller: number } {
    return this.#end.bytes(this.#stream);
  }

  /** Judges the caller and opens its stream. */
  start(): void {
    const cause = this.#errand.whyNot();
    this.#errand.onStart(this);
    if (cause !== null) return this.#finish(cause);
    this.#opening = this.#end.open({
      onOpened: (stream) => this.#join(stream),
      onRefused: (code, text, from) => this.#handleRefused(code, text, from),
    });
    this.#openNext();
  }

  /** Idempotent. */
  end(cause: Cause, code: ResetCode = ResetCode.Disabled): void {
    if (this.#over) return;
    this.#cause = cause;
    if (this.#stream === null) this.#finish(cause);
    else this.#stream.reset(code, `${cause.code}: ${cause.text}`);
  }

  /** Ends what has waited too long for the other end, which says itself when the resource times out, or been idle too long. */
  tick(now: number): void {
    const { answerSeconds, idleTimeoutSeconds } = this.#errand;
    if (this.#isBetterElsewhere(now)) this.#stream?.reset(ResetCode.PathLost, 'its other end is gone');
    else if (this.#opened) this.#tickIdle(now, idleTimeoutSeconds);
    else if (now - this.#quietSince >= answerSeconds * 1000)
      this.end(this.#errand.silence(), ResetCode.Cancelled);
  }

  #isBetterElsewhere(now: number): boolean {
    const { pathLostAt = null, peer = null } = this.#stream ?? {};
    if (peer === null || pathLostAt === null || !this.#errand.hasOther(peer)) return false;
    if (!this.#opened) return this.#nothingSent;
    return this.#end.protocol === 'udp' && now - pathLostAt >= flowPathWaitMs;
  }

  /** Whatever the other end did with the stream, its resource has had no byte. */
  get #nothingSent(): boolean {
    return this.#stream?.bytesSent === 0;
  }

  #tickIdle(now: number, seconds: number): void {
    if (seconds === 0) return;
    const { fromCaller, toCaller } = this.bytes;
    const seen = fromCaller + toCaller;
    if (seen !== this.#bytesSeen) {
      this.#bytesSeen = seen;
      this.#quietSince = now;
    } else if (now - this.#quietSince >= seconds * 1000) {
      // UDP has no other end; of a connection somebody may want to know.
      if (this.#end.protocol === 'udp') return this.#stream?.reset(ResetCode.Cancelled, 'the flow is silent');
      const text = `no byte for ${seconds} s, the destination's idle time-out`;
      this.end(this.#voice.causeOf('idle', text), ResetCode.Cancelled);
    }
  }

  #openNext(): void {
    for (;;) {
      const way = this.#errand.nextWay(() => this.#openNext());
      if (way === null) return;
      if ('code' in way) return this.#finish(way);
      this.#way = way;
      this.#quietSince = performance.now();
      const stream = open(way);
      if (stream === null) continue;
      this.#stream = stream;
      this.#opening?.carry(stream);
      return;
    }
  }

  #handleRefused(code: ResetCode, text: string, from: 'here' | 'peer'): void {
    const nothingReached = from === 'peer' && saysNothingReached(code);
    const goesOn = nothingReached || (saysOtherEndGone(code) && this.#nothingSent);
    this.#stream = null;
    if (goesOn) {
      this.#way?.onRefused(code, text);
      return this.#openNext();
    }
    this.#finish(this.#cause ?? this.#causeOf({ code, text, origin: from }));
  }

  #join(stream: Stream): void {
    this.#opened = true;
    this.#opening = null;
    this.#way = null;
    this.#quietSince = performance.now();
    this.#errand.onOpened(true);
    void this.#end
      .join(stream)
      .then(({ reset }) => this.#finish(reset === null ? null : (this.#cause ?? this.#causeOf(reset))));
  }

  /** Null when the caller itself went: that is no fault. */
  #causeOf({ code, text, origin }: NonNullable<Joined['reset']>): Cause | null {
    if (origin === 'here' && code === ResetCode.Cancelled) return null;
    return this.#errand.causeOfReset(code as ResetCode, text, this.#opened);
  }

  #finish(cause: Cause | null): void {
    if (this.#over) return;
    this.#over = true;
    this.#opening?.close();
    this.#opening = null;
    if (cause !== null || !this.#opened) this.#end.reset();
    this.#errand.onOver(cause, 0);
  }
}

function saysOtherEndGone(code: ResetCode): boolean {
  return code === ResetCode.PathLost || code === ResetCode.Restarted;
}

/** Null where there is no room for a stream, which the way has been told. */
function open(way: Way): Stream | null {
  try {
    return way.open();
  } catch (error) {
    if (!(error instanceof TunnelError)) throw error;
    way.onRefused(null, error.message);
    return null;
  }
}
