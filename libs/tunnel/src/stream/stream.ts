/**
 * One end of a stream: a state machine without sockets. It outlives its path (docs/PROTOCOL.md, "Streams" and
 * "RESUME"): what was sent is kept until the peer has delivered it, and when the session under it breaks, the
 * stream moves to another with the offsets that both ends tell each other (`StreamPath`).
 *
 *   opener:    opening ──OPENED──► open ──both FINs acknowledged──► over
 *   acceptor:  offered ──accept()─► open ──────────────────────────► over
 *                 any ──RESET, or no path for pathWaitMs──────────► over
 */
import type { Batch } from '../session/batch.ts';
import { ResetCode, type TunnelError } from '../error.ts';
import {
  decodeAnswer,
  decodeCredit,
  decodeReset,
  encodeFrame,
  encodeReset,
  FrameType,
  type Answer,
  type Open,
  type Resume,
} from '../frame/frame.ts';
import type { LateAcknowledgements } from '../session/late-acknowledgements.ts';
import type { Outbox } from '../session/outbox.ts';
import { DatagramQueue } from './datagram-queue.ts';
import { ReceivingPart } from './receiving-part.ts';
import { SendingPart } from './sending-part.ts';
import { StreamPath } from './stream-path.ts';
import type { Slab } from '../memory/slab.ts';
import type { ProcessName, ResetOrigin, StreamEnd, StreamEvents, StreamPhase } from './stream-end.ts';
import type { StreamHost } from './stream-host.ts';
import type { Tombstone } from './tombstone.ts';
import type { PathEnd } from '../session/path-end.ts';
import type { Session } from '../session/session.ts';

/** What a stream is made with. */
export interface StreamStart {
  key: string;
  metadata: unknown;
  scope: string;
  peer: ProcessName;
}

/** One end of a stream. Made by `Endpoint.open`, or given to `onOpen`. What its owner asks of it is told at `StreamEnd`. */
export class Stream implements PathEnd, StreamEnd {
  readonly key: string;
  readonly opener: boolean;
  readonly metadata: unknown;
  /** Gateway and process at the other end; RESUME is taken from that client, or from a node that vouches. */
  readonly scope: string;
  readonly peer: ProcessName;
  events: StreamEvents = {};
  queuedIn: Outbox | null = null;
  acknowledgesIn: LateAcknowledgements | null = null;
  shortTurns = 0;
  readonly #host: StreamHost;
  #phase: StreamPhase;
  readonly #sending: SendingPart;
  readonly #receiving: ReceivingPart;
  readonly #path: StreamPath;
  #datagrams: DatagramQueue | null = null;

  private constructor(host: StreamHost, session: Session, start: StreamStart, opener: boolean) {
    this.#host = host;
    this.key = start.key;
    this.opener = opener;
    this.metadata = start.metadata;
    this.scope = start.scope;
    this.peer = start.peer;
    this.#phase = opener ? 'opening' : 'offered';
    this.#sending = new SendingPart(host.limits, host.sendBudgetOf(start.scope));
    this.#receiving = new ReceivingPart(host.limits, session.receiveBudget, !opener);
    this.#path = new StreamPath(host, this, this.#sending, this.#receiving);
  }

  /** Opens a stream: OPEN goes out, and up to `floorBytes` may follow at once. The floor has been taken on the session. */
  static open(host: StreamHost, session: Session, start: StreamStart): Stream {
    const stream = new Stream(host, session, start, true);
    try {
      stream.#path.open(session);
    } catch (error) {
      stream.#path.detach();
      stream.#receiving.release();
      throw error;
    }
    return stream;
  }

  /** Takes an OPEN. The owner calls `accept` or `reset`; up to `floorBytes` may come before that and are kept. */
  static offered(host: StreamHost, session: Session, start: StreamStart, id: number, open: Open): Stream {
    const stream = new Stream(host, session, start, false);
    stream.#path.takeOpen(session, id, open);
    return stream;
  }

  get phase(): StreamPhase {
    return this.#phase;
  }

  get session(): Session | null {
    return this.#path.session;
  }

  get pathLostAt(): number | null {
    return this.#path.lostAt;
  }

  get quiet(): boolean {
    return this.session?.quiet === true;
  }

  get room(): number {
    return this.#phase === 'over' ? 0 : this.#sending.room;
  }

  get freeBytes(): number {
    return this.#sending.freeBytes;
  }

  /** Bytes kept here: sent and not acknowledged, or not sent. */
  get bufferedBytes(): number {
    return this.#sending.retained;
  }

  get bytesReceived(): number {
    return this.#receiving.bytesReceived;
  }

  get bytesSent(): number {
    return this.#sending.written;
  }

  /** The owner takes the stream that was offered: OPENED goes out, and what came early is handed on. */
  accept(): void {
    if (this.#phase !== 'offered') return;
    this.#phase = 'open';
    const early = this.#receiving.accept();
    this.#path.answerOpen();
    this.#give(early);
    this.#offerRoom();
  }

  /** Hands on what was held until now, and the end where it came meanwhile. */
  #give(held: readonly Buffer[]): void {
    for (const piece of held) this.events.onData?.(piece);
    if (this.#receiving.ended) this.events.onEnd?.();
  }

  write(bytes: Buffer, slab: Slab | null = null): void {
    if (this.#phase === 'over' || this.#sending.ended) {
      slab?.release();
      return;
    }
    this.#sending.write(bytes, slab);
    this.session?.schedule(this);
  }

  writeCopy(bytes: Uint8Array): void {
    if (this.#phase === 'over' || this.#sending.ended) return;
    this.#sending.writeCopy(bytes);
    this.session?.schedule(this);
  }

  end(): void {
    if (this.#phase === 'over' || this.#sending.ended) return;
    this.#sending.end();
    this.session?.schedule(this);
  }

  reset(code: ResetCode, text: string): void {
    if (this.#phase === 'over') return;
    // A reset needs a path even where the stream has none, or the peer would wait for a minute.
    this.seekPath();
    this.session?.sendControlFrame(encodeReset(this.#path.id, code, text));
    this.#finish({ kind: 'reset', code, text }, 'here');
  }

  deliver(bytes: number): void {
    if (this.#phase === 'over') return;
    if (this.#receiving.deliver(bytes)) this.#credit();
    else this.session?.acknowledgeLater(this);
    // Not at once: the owner is about something, and may hand the stream to another.
    if (this.#receiving.heldIsDue) this.#host.clock.soon(() => this.#giveHeld());
  }

  #giveHeld(): void {
    if (this.#phase !== 'over' && this.#receiving.heldIsDue) this.#give(this.#receiving.takeHeld());
  }

  deliverEnd(): void {
    if (this.#phase !== 'over' && this.#receiving.deliverEnd()) this.#credit();
  }

  /** The delay for an acknowledgement is over. */
  acknowledge(): void {
    if (this.#receiving.hasUnacknowledged) this.#credit();
  }

  sendDatagram(payload: Uint8Array): number {
    if (this.#phase === 'over') return 1;
    this.#datagrams ??= new DatagramQueue(this.scope, this.#host.limits.datagramBytesMax);
    const dropped = this.#datagrams.push(payload);
    this.session?.schedule(this);
    return dropped;
  }

  // ---- what goes out

  /** Writes one turn's worth into the batch; returns whether there is more that could go now. Called by the session. */
  writeTo(batch: Batch, quantum: number): boolean {
    if (this.#phase === 'over') return false;
    if (this.#path.resuming || this.#phase === 'offered') return false;
    if (this.#receiving.creditDue) {
      if (!batch.takesFrames) return true;
      this.#receiving.writeCredit(batch, this.#path.id, this.#host.clock.now(), this.#path.roundTripMs);
      if (this.#isOver()) return false;
    }
    while (this.#datagrams?.first !== undefined) {
      if (!batch.takesFrames) return true;
      batch.addFrame(encodeFrame(FrameType.Datagram, this.#path.id, this.#datagrams.shift() as Buffer));
    }
    return this.#sending.writeTo(batch, this.#path.id, quantum);
  }

  get backlog(): number {
    return this.#sending.unsent;
  }

  #credit(): void {
    this.#receiving.creditDue = true;
    this.session?.schedule(this);
  }

  // ---- what comes in

  handleData(piece: Buffer, slab: Slab | null = null): void {
    if (this.#isUnanswered || !this.#receiving.allows(piece.length)) {
      this.reset(
        ResetCode.Protocol,
        'the peer sent more than it was given credit for, before its answer, or after its end',
      );
      return;
    }
    const fresh = this.#receiving.take(piece, slab);
    if (fresh === null) return;
    if (slab === null) this.events.onData?.(fresh);
    else if (this.events.onSlabData === undefined) this.events.onData?.(Buffer.from(fresh));
    else this.events.onSlabData(fresh, slab);
  }

  handleFrame(type: number, payload: Buffer): void {
    switch (type) {
      case FrameType.Credit:
        this.#handleCredit(decodeCredit(payload));
        break;
      case FrameType.Fin:
        this.#handleFin();
        break;
      case FrameType.Opened:
        this.#handleOpened(decodeAnswer(payload));
        break;
      case FrameType.Resumed:
        this.#handleResumed(decodeAnswer(payload));
        break;
      case FrameType.Reset:
        this.#handleReset(decodeReset(payload));
        break;
      case FrameType.Datagram:
        this.events.onDatagram?.(Buffer.from(payload));
        break;
      default: // A frame of a later version: passed over.
    }
  }

  #handleCredit({ delivered, limit }: { delivered: number; limit: number }): void {
    if (this.#isUnanswered || !this.#sending.acknowledge(delivered, limit)) {
      this.reset(ResetCode.Protocol, 'the peer acknowledged what was never sent, or before its answer');
      return;
    }
    if (this.#sending.sendable > 0) this.session?.schedule(this);
    if (!this.#finishWhenDone()) this.#offerRoom();
  }

  #handleFin(): void {
    const end = this.#isUnanswered
      ? { wrong: 'the peer ended its direction before its answer' }
      : this.#receiving.takeEnd();
    if (typeof end === 'object') this.reset(ResetCode.Protocol, end.wrong);
    else if (end === 'new' && this.#phase !== 'offered' && !this.#receiving.holds) this.events.onEnd?.();
  }

  /** OPENED or RESUMED comes before all else on a path. */
  get #isUnanswered(): boolean {
    return this.#path.resuming || this.#phase === 'opening';
  }

  #handleOpened(answer: Answer): void {
    if (this.#phase !== 'opening' || !this.#path.takeAnswer(answer)) return;
    this.#phase = 'open';
    this.#sending.raise(answer.limit);
    this.events.onOpened?.();
    this.session?.schedule(this);
    this.#offerRoom();
  }

  #handleReset({ code, text }: { code: number; text: string }): void {
    if (code === ResetCode.PathLost || code === ResetCode.PathOutdated) {
      // Where a path was refused, or went as soon as it was there, the next is sought with the next tick or the next session,
      // not at once for ever.
      const refused = this.#isUnanswered;
      const established = code === ResetCode.PathLost && !refused && !this.#path.young;
      this.#path.detach();
      this.#losePath({ seek: established, refused });
      return;
    }
    this.#finish({ kind: 'reset', code, text });
  }

  // ---- paths

  /** The session under the stream is gone. */
  handlePathLost(_cause: TunnelError): void {
    this.#losePath();
  }

  /**
   * Looks for another path to this client; but a first OPEN that was not taken, where there is none that is sure, is given
   * back so that it may go to another client.
   */
  handleNotTaken(cause: TunnelError): void {
    if (this.#phase !== 'opening' || this.#path.changed || this.#path.hasDirectWay) return this.#losePath();
    this.#finish({ kind: 'reset', code: ResetCode.ShuttingDown, text: cause.message });
  }

  /** OPEN or RESUME is repeated elsewhere: the other end dials once and moves once, whichever comes first. */
  handleQuiet(): void {
    if (this.#isUnanswered && this.#path.leaveForAnswer()) this.#losePath();
  }

  /** RESUME goes out elsewhere, where bytes wait for their acknowledgement; what waits for nothing stays. */
  leaveQuiet(onAnswer: () => void): boolean {
    if (this.#phase !== 'open' || this.#path.resuming || !this.#sending.isWaiting) return false;
    if (!this.#path.leaveForAnswer()) return false;
    this.#losePath();
    this.#path.onAnswer = onAnswer;
    return true;
  }

  /** Tries to move to a session that has come up. */
  seekPath(): void {
    if (this.#phase !== 'over' && this.#phase !== 'offered') this.#path.seek(this.#phase === 'open');
  }

  /**
   * Resets it where it has had no path for as long as it may wait; returns whether it did. One that was not answered waits
   * only for a process that is back in a moment: nobody tells that from one that was killed.
   */
  giveUp(now: number): boolean {
    const { lostAt, leftAt } = this.#path;
    if (lostAt === null || this.session !== null) return false;
    const { pathWaitMs, openingWaitMs } = this.#host.limits;
    const isUnheard = this.#phase === 'opening' && now - leftAt >= openingWaitMs;
    if (!isUnheard && now - lostAt < pathWaitMs) return false;
    const seconds = (isUnheard ? openingWaitMs : pathWaitMs) / 1000;
    this.reset(ResetCode.PathLost, `no path to ${this.peer.id} for ${seconds} s`);
    return true;
  }

  /**
   * Moves the stream away from a session that still works, and is not usable any more: drain, rebalancing, or a token that
   * is no longer good. It stays where there is no other as good, or while it waits to be accepted.
   */
  move(): void {
    if (this.#phase === 'over' || this.#phase === 'offered') return;
    if (this.#path.leaveForOther()) this.#losePath();
  }

  /** Moves it off a relay to a session that leads to the other end itself, where it is open and there is one. */
  moveOffRelay(): void {
    if (this.#phase === 'open' && this.#path.leaveRelay()) this.#losePath();
  }

  /** The peer's RESUME, taken from a session that may speak for it. */
  handleResume(session: Session, id: number, resume: Resume): void {
    if (!this.#path.takeResume(session, id, resume, this.#phase !== 'offered')) return;
    const opened = this.#phase === 'opening';
    if (opened) this.#phase = 'open';
    this.#continueFrom(resume);
    if (opened) this.events.onOpened?.();
    this.#offerRoom();
  }

  /** The peer's OPEN once more, after the path of the first one died: nothing is dialled twice. */
  handleOpenAgain(session: Session, id: number, open: Open): void {
    const accepted = this.#phase !== 'offered';
    if (this.#path.takeOpenAgain(session, id, open, accepted) && accepted) this.#path.answerOpen();
  }

  #handleResumed(answer: Answer): void {
    if (!this.#path.resuming || !this.#path.takeAnswer(answer)) return;
    this.#continueFrom(answer);
    this.#offerRoom();
  }

  /** The peer has all below `received`: what follows is sent from there. */
  #continueFrom({ received, limit }: Answer): void {
    if (!this.#sending.continueFrom(received, limit)) {
      this.reset(ResetCode.Protocol, 'the peer resumed from an offset that cannot be');
      return;
    }
    this.session?.schedule(this);
    if (this.#receiving.hasDelivered) this.#credit();
  }

  #losePath({ seek = true, refused = false } = {}): void {
    this.#path.lose(this.#host.clock.now(), refused);
    // All that is still owed is the acknowledgement of the peer's end: a peer that wants it asks what became of the stream.
    if (this.#hasBothEnds) this.#receiving.creditDue = false;
    if (this.#isOver()) return;
    this.#host.waiting(this);
    if (seek) this.seekPath();
  }

  // ---- ends

  /** The peer has our end, and we have passed its end on. */
  get #hasBothEnds(): boolean {
    return this.#sending.finished && this.#receiving.finished;
  }

  #isOver(): boolean {
    return this.#finishWhenDone() || this.#phase === 'over';
  }

  /** Both ends have both directions: the peer knows that we have its end, and we that it has ours. */
  #finishWhenDone(): boolean {
    if (this.#phase !== 'open' || !this.#hasBothEnds || this.#receiving.creditDue) return false;
    this.#finish({ kind: 'done', received: this.#receiving.received });
    return true;
  }

  #finish(tombstone: Tombstone, from: ResetOrigin = 'peer'): void {
    if (this.#phase === 'over') return;
    this.#phase = 'over';
    // A relay on a path that began in mid-stream may not have seen both ends pass.
    if (tombstone.kind === 'done' && this.#path.changed) this.#path.leave('the stream has ended in order');
    this.#path.detach();
    this.#receiving.release();
    this.#sending.clear();
    this.#datagrams?.clear();
    this.#host.forget(this, tombstone);
    if (tombstone.kind === 'done') this.events.onDone?.();
    else this.events.onReset?.(tombstone.code, tombstone.text, from);
    this.events = {};
  }

  #offerRoom(): void {
    if (this.room > 0) this.events.onRoom?.();
  }
}
