/**
 * The path under one end of a stream: which session carries it, under which number, when another is better, and how the
 * stream comes to that (docs/PROTOCOL.md, "RESUME").
 *
 *      none ──RESUME sent──► resuming ──RESUMED──► attached      (initiator)
 *      none or attached ──RESUME taken, RESUMED sent──► attached (the other)
 *
 * From sending or taking RESUME on, frames of every other path are dropped: the session that carried the stream no longer
 * knows it. The highest attempt wins; at a tie the opener's.
 */
import { ResetCode } from '../error.ts';
import {
  encodeAnswer,
  encodeOpen,
  encodeReset,
  encodeResume,
  FrameType,
  type Answer,
  type Open,
  type Resume,
} from '../frame/frame.ts';
import { gatewayFor } from '../session/peer.ts';
import type { ReceivingPart } from './receiving-part.ts';
import type { SendingPart } from './sending-part.ts';
import type { Session } from '../session/session.ts';
import type { StreamHost } from './stream-host.ts';
import type { Stream } from './stream.ts';

/** A path that lives no longer than this after its answer leads nowhere: the next is not sought at once. */
const youngMs = 100;

/** One per stream end. */
export class StreamPath {
  /** Called once when the RESUME that was sent is answered. */
  onAnswer: (() => void) | null = null;
  readonly #host: StreamHost;
  readonly #stream: Stream;
  readonly #sending: SendingPart;
  readonly #receiving: ReceivingPart;
  #session: Session | null = null;
  #id = 0;
  #attempt = 0;
  #resuming = false;
  #lostAt: number | null = null;
  #leftAt = 0;
  #answeredAt = 0;

  constructor(host: StreamHost, stream: Stream, sending: SendingPart, receiving: ReceivingPart) {
    this.#host = host;
    this.#stream = stream;
    this.#sending = sending;
    this.#receiving = receiving;
  }

  get session(): Session | null {
    return this.#session;
  }

  /** The stream's number on its session. */
  get id(): number {
    return this.#id;
  }

  /** RESUME was sent, and its answer has not come. */
  get resuming(): boolean {
    return this.#resuming;
  }

  /** When it was lost; null while there is one. An attempt that nobody has answered is none. */
  get lostAt(): number | null {
    return this.#lostAt;
  }

  /** When a session carried it last, where none does now. An attempt that was refused was not carried, as often as it is made. */
  get leftAt(): number {
    return this.#leftAt;
  }

  /** Whether a RESUME was answered on it only just now. */
  get young(): boolean {
    return this.changed && this.#host.clock.now() - this.#answeredAt < youngMs;
  }

  /** Whether it is not the first. */
  get changed(): boolean {
    return this.#attempt > 1;
  }

  /** The shortest round trip to the other end, in ms; null where it was not measured, or the way goes over a relay. */
  get roundTripMs(): number | null {
    const session = this.#session;
    return session !== null && this.#isDirect(session) ? session.roundTripMsMin : null;
  }

  /** Sends OPEN, for the first time or again; the floor has been taken on the session. Throws for metadata that does not fit. */
  open(session: Session): void {
    const { key, scope, peer: to, metadata: meta } = this.#stream;
    this.#attempt += 1;
    this.#attach(session, session.attach(this.#stream));
    const body = { from: this.#host.self, to, ...gatewayFor(session.peer, scope), meta };
    const { limit } = this.#receiving;
    session.sendControlFrame(encodeOpen(this.#id, { key, attempt: this.#attempt, limit, body }));
    this.#sending.startOver(this.#host.limits.floorBytes);
  }

  /** The peer's first OPEN. */
  takeOpen(session: Session, id: number, open: Open): void {
    this.#attempt = open.attempt;
    this.#sending.raise(open.limit);
    this.#attach(session, id);
  }

  /** The peer's OPEN once more; its path replaces the present one. Returns false where it was refused. */
  takeOpenAgain(session: Session, id: number, open: Open, accepted: boolean): boolean {
    if (this.#stream.opener || !this.#isNewer(open.attempt))
      return refuse(session, id, ResetCode.PathOutdated, 'another path is newer');
    if (this.#sending.isUnderWay)
      return refuse(session, id, ResetCode.Protocol, 'the stream had been opened already');
    if (!this.#moveTo(session, id, 0, !accepted)) return false;
    this.#attempt = open.attempt;
    this.#sending.startOver(open.limit);
    return true;
  }

  /** Sends OPENED, where there is a path. */
  answerOpen(): void {
    this.#session?.sendControlFrame(encodeAnswer(FrameType.Opened, this.#id, this.#answer));
    this.#session?.schedule(this.#stream);
  }

  /** The peer's RESUME: its path replaces the present one, and RESUMED is sent. Returns false where it was refused. */
  takeResume(session: Session, id: number, resume: Resume, accepted: boolean): boolean {
    if (!this.#isNewer(resume.attempt))
      return refuse(session, id, ResetCode.PathOutdated, 'another path is newer');
    if (!accepted) return refuse(session, id, ResetCode.Protocol, 'the stream was not accepted yet');
    if (!this.#moveTo(session, id, this.#receiving.received, false)) return false;
    this.#attempt = resume.attempt;
    session.sendControlFrame(encodeAnswer(FrameType.Resumed, id, this.#answer));
    return true;
  }

  /** OPENED or RESUMED for the present attempt. */
  takeAnswer({ attempt }: Answer): boolean {
    if (attempt !== this.#attempt) return false;
    this.#resuming = false;
    this.#lostAt = null;
    this.#answeredAt = this.#host.clock.now();
    this.onAnswer?.();
    this.onAnswer = null;
    return true;
  }

  /** Where there is no path and a session for one: OPEN once more, or RESUME when it was answered. */
  seek(answered: boolean): void {
    if (this.#session !== null) return;
    const session = this.#host.findSession(this.#stream);
    if (session === null) return;
    if (answered) this.#resume(session);
    else this.#openAgain(session);
  }

  /** Whether a session now leads to the other end's process itself. */
  get hasDirectWay(): boolean {
    const session = this.#host.findSession(this.#stream);
    return session !== null && this.#isDirect(session);
  }

  /** Leaves a session that works for one as good; returns false where there is none. */
  leaveForOther(): boolean {
    if (this.#session === null) return false;
    const next = this.#host.findSession(this.#stream);
    // A path of its own that still works is better than one through a relay, of which nobody knows whether it leads on.
    if (next === null || (this.#isDirect(this.#session) && !this.#isDirect(next))) return false;
    this.leave('moved to another path');
    return true;
  }

  /** Leaves a relay for a session of its own; returns false where it is on one, or there is none. */
  leaveRelay(): boolean {
    if (this.#session === null || this.#isDirect(this.#session) || !this.hasDirectWay) return false;
    this.leave('moved to a path without a relay');
    return true;
  }

  /** Leaves a session that does not answer for one that may; returns false where there is none. */
  leaveForAnswer(): boolean {
    if (this.#session === null) return false;
    const next = this.#host.findSession(this.#stream);
    if (next === null || next.quiet) return false;
    this.leave('moved to another path');
    return true;
  }

  /** Leaves a session that may still be alive, and lets relays on the way forget the stream. */
  leave(text: string): void {
    this.#session?.sendControlFrame(encodeReset(this.#id, ResetCode.PathLost, text));
    this.detach();
  }

  /** Lets the session go without a word. */
  detach(): void {
    this.#session?.detach(this.#id);
    this.#session = null;
  }

  /** There is no path now: the session is gone, was left, no longer carries the stream, or (`refused`) never did. */
  lose(now: number, refused: boolean): void {
    this.#sending.pin();
    this.#session = null;
    this.#resuming = false;
    this.onAnswer = null;
    if (!refused || this.#lostAt === null) this.#leftAt = now;
    this.#lostAt ??= now;
  }

  /** Sends the first OPEN's repetition, as far as the session has a window left. */
  #openAgain(session: Session): void {
    if (!this.#receiving.restart(session.receiveBudget, 0, false)) return;
    this.open(session);
    session.schedule(this.#stream);
  }

  /** Sends RESUME, as far as the session has a window left. */
  #resume(session: Session): void {
    // What comes on the new path begins where the former one broke off.
    if (!this.#receiving.restart(session.receiveBudget, this.#receiving.received, false)) return;
    const { key, scope, peer: to } = this.#stream;
    this.#attempt += 1;
    this.#resuming = true;
    this.#attach(session, session.attach(this.#stream));
    const body = { from: this.#host.self, to, ...gatewayFor(session.peer, scope) };
    session.sendControlFrame(encodeResume(this.#id, { key, ...this.#answer, body }));
  }

  /** Whether the session leads to the other end's process itself, not to a relay. */
  #isDirect({ peer }: Session): boolean {
    return peer.id === this.#stream.peer.id && peer.bootId === this.#stream.peer.bootId;
  }

  /**
   * The highest attempt wins; at a tie the opener's, so only an acceptor gives way: while its own waits for an answer, and
   * when that was refused. Else both would refuse each other with every second's next attempt.
   */
  #isNewer(attempt: number): boolean {
    const givesWay = !this.#stream.opener && (this.#resuming || this.#session === null);
    return attempt > this.#attempt || (attempt === this.#attempt && givesWay);
  }

  /** What the peer is told of this end: what of the stream has come, and how far it may send. */
  get #answer(): Answer {
    const { received, limit } = this.#receiving;
    return { attempt: this.#attempt, received, limit };
  }

  /** What comes on the new path begins at offset `from`. */
  #moveTo(session: Session, id: number, from: number, floorOnly: boolean): boolean {
    if (!this.#receiving.restart(session.receiveBudget, from, floorOnly))
      return refuse(session, id, ResetCode.PathLost, 'no window left on this session');
    this.leave('moved to another path');
    this.#sending.pin();
    this.#attach(session, id);
    session.adopt(id, this.#stream);
    this.#answeredAt = this.#host.clock.now();
    this.#lostAt = null;
    this.#resuming = false;
    this.onAnswer = null;
    return true;
  }

  #attach(session: Session, id: number): void {
    this.#session = session;
    this.#id = id;
  }
}

function refuse(session: Session, id: number, code: ResetCode, text: string): false {
  session.sendControlFrame(encodeReset(id, code, text));
  return false;
}
