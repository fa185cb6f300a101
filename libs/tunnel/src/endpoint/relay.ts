/**
 * A stream passed on between two sessions for two other processes. It ends nothing: acknowledgements, RESUME
 * and RESET run between the ends; only credit runs hop by hop, so that a slow side fills a bounded queue here
 * and stalls no other stream of the link (docs/PROTOCOL.md, "Relays").
 *
 *      from side A ──DATA──► [ queue, at most relayBytesPerStreamMax ] ──► to side B
 *      CREDIT(N, min(M, forwarded + relayBytesPerStreamMax)) ◄── CREDIT(N, M)
 *
 * A relayed stream is never relayed again, so there are no loops.
 */
import type { Batch } from '../session/batch.ts';
import { ByteQueue } from '../memory/byte-queue.ts';
import { DatagramQueue } from '../stream/datagram-queue.ts';
import { ResetCode, TunnelError, resetCodeName } from '../error.ts';
import {
  decodeAnswer,
  decodeCredit,
  decodeReset,
  encodeAnswer,
  encodeCredit,
  encodeFrame,
  encodeOpen,
  encodeReset,
  encodeResume,
  FrameType,
  headerBytes,
  payloadBytesMax,
  type Answer,
  type Open,
  type Resume,
} from '../frame/frame.ts';
import type { Clock } from '../clock.ts';
import type { Limits } from '../limit.ts';
import type { Outbox } from '../session/outbox.ts';
import { ReceiveWindow } from '../stream/receive-window.ts';
import type { PathEnd } from '../session/path-end.ts';
import type { Session } from '../session/session.ts';
import type { Slab } from '../memory/slab.ts';

/** An OPEN that is passed on with other metadata than it came with, for who wants to know how it was answered. */
export interface RelayedOpen {
  readonly metadata: object;
  /** Called once: null when the far end took it, else why not. */
  readonly onAnswer: (refusal: string | null) => void;
}

/** What a relay needs of the endpoint. */
export interface RelayHost {
  readonly limits: Limits;
  readonly clock: Clock;
  /** So many datagrams found no room. */
  readonly onDropped: (count: number) => void;
}

/**
 * Passes an OPEN or RESUME on to `target` and stays in between from then on. Nobody keeps the relay: the two
 * sessions hold its sides until the stream ends or a side is lost. `noRoom` answers when it cannot be taken.
 */
export function startRelay(
  host: RelayHost,
  from: { session: Session; id: number; scope: string },
  target: Session,
  frame: Open | Resume,
  noRoom: ResetCode,
  onAnswer: RelayedOpen['onAnswer'] | null = null,
): void {
  const { limits } = host;
  const taken = from.session.receiveBudget.take(limits.floorBytes);
  if (!taken || !target.reserve(from.scope)) {
    if (taken) from.session.receiveBudget.give(limits.floorBytes, limits.floorBytes);
    from.session.sendControlFrame(encodeReset(from.id, noRoom, 'the relay takes no more streams'));
    onAnswer?.(resetCodeName(noRoom));
    return;
  }
  const near = new RelaySide(from.session, from.scope, host);
  const far = new RelaySide(target, from.scope, host);
  near.join(far, from.id);
  far.join(near, target.attach(far));
  from.session.adopt(from.id, near);
  const limit = near.begin('received' in frame ? frame.received : 0, frame.limit);
  let isSent: boolean;
  try {
    if ('received' in frame) {
      far.awaits(FrameType.Resumed);
      isSent = target.passOnControlFrame(encodeResume(far.id, { ...frame, limit }), from.scope);
    } else {
      far.awaits(FrameType.Opened, frame.attempt === 1, onAnswer);
      far.begin(0, limits.floorBytes);
      isSent = target.passOnControlFrame(encodeOpen(far.id, { ...frame, limit }), from.scope);
    }
  } catch (error) {
    // Metadata of the longest kind does not fit an OPEN that also says that it was relayed.
    if (!(error instanceof TunnelError)) throw error;
    near.refuse(ResetCode.Limit, error.message);
    return;
  }
  if (!isSent) near.refuse(noRoom, 'the relay passes on as much for this gateway as it may');
}

/** One side, made by `startRelay`: takes what comes from its session for the other, and sends what the other side took. */
export class RelaySide implements PathEnd {
  queuedIn: Outbox | null = null;
  acknowledgesIn = null;
  shortTurns = 0;
  id = 0;
  readonly scope: string;
  readonly #session: Session;
  readonly #clock: Clock;
  readonly #onDropped: (count: number) => void;
  #other: RelaySide | null = null;
  // Towards this side's session:
  readonly #queue = new ByteQueue();
  #sent = 0;
  #limit = 0;
  #end: 'none' | 'queued' | 'sent' = 'none';
  #acknowledged = 0;
  readonly #frames: DatagramQueue;
  /** The answer that this side's peer owes; it says where data begins, so it is taken once. */
  #awaited: typeof FrameType.Opened | typeof FrameType.Resumed | null = null;
  // From this side's session:
  #isFirstOpen = false;
  #onAnswer: RelayedOpen['onAnswer'] | null = null;
  /** What this relay may hold of what comes from this side. `delivered` is what was forwarded. */
  readonly #window: ReceiveWindow;
  /** How far this side may send: as far as the window lets it, and the far end. */
  #granted = 0;
  #creditDue = false;

  /** The caller has taken the floor from the session's budget. */
  constructor(session: Session, scope: string, { limits, clock, onDropped }: RelayHost) {
    this.#session = session;
    this.scope = scope;
    this.#clock = clock;
    this.#onDropped = onDropped;
    this.#frames = new DatagramQueue(scope, limits.datagramBytesMax, headerBytes + payloadBytesMax);
    this.#window = new ReceiveWindow(limits, session.receiveBudget, limits.relayBytesPerStreamMax);
  }

  join(other: RelaySide, id: number): void {
    this.#other = other;
    this.id = id;
  }

  /** What is sent to this side's peer wants this answer. */
  awaits(
    type: typeof FrameType.Opened | typeof FrameType.Resumed,
    isFirstOpen = false,
    onAnswer: RelayedOpen['onAnswer'] | null = null,
  ): void {
    this.#awaited = type;
    this.#isFirstOpen = isFirstOpen;
    this.#onAnswer = onAnswer;
  }

  /** Data towards this side begins at `offset`, and its receiver takes up to `limit`. Returns what the other side may be told. */
  begin(offset: number, limit: number): number {
    this.#sent = offset;
    this.#limit = limit;
    const other = this.#other as RelaySide;
    other.#granted = Math.min(limit, other.#window.startAt(offset));
    return other.#granted;
  }

  handleData(piece: Buffer, slab: Slab | null = null, headed = false): void {
    const other = this.#other;
    if (other === null) return;
    this.#window.received += piece.length;
    if (this.#window.received > this.#granted || other.#end !== 'none') {
      this.#breakOff(ResetCode.Protocol, 'more was sent than there was credit for, or after the end');
      return;
    }
    other.#queue.push(piece, slab, headed);
    other.#session.schedule(other);
  }

  handleFrame(type: number, payload: Buffer): void {
    const other = this.#other;
    if (other === null) return;
    switch (type) {
      case FrameType.Opened:
      case FrameType.Resumed:
        this.#handleAnswer(type, decodeAnswer(payload));
        break;
      case FrameType.Credit:
        this.#handleCredit(decodeCredit(payload));
        break;
      case FrameType.Fin:
        this.#handleFin(other);
        break;
      case FrameType.Reset:
        if (this.#onAnswer !== null) this.#answer(resetCodeName(decodeReset(payload).code));
        other.#sayOwedCredit();
        this.#forget();
        other.#passOnReset(payload);
        break;
      default:
        // Datagrams, and frames of a later version, are passed on unread; the oldest are dropped for want of room.
        this.#onDropped(other.#frames.push(encodeFrame(type, other.id, payload)));
        other.#session.schedule(other);
    }
  }

  #handleFin(other: RelaySide): void {
    if (other.#end !== 'none') {
      this.#breakOff(ResetCode.Protocol, 'a direction was ended twice');
      return;
    }
    other.#end = 'queued';
    other.#session.schedule(other);
  }

  handlePathLost(_cause: TunnelError): void {
    this.#breakOff(ResetCode.PathLost, 'the relay lost the other side');
  }

  /** The end behind the other side may know another way; what it gets here it can have once more there. */
  handleQuiet(): void {
    if (this.#awaited !== null) this.#breakOff(ResetCode.PathLost, 'the other side does not answer');
  }

  /** What is open stays: where it may go its two ends know. */
  leaveQuiet(): boolean {
    return false;
  }

  /** The far end never took it: for a first OPEN that says that nothing was reached. */
  handleNotTaken(cause: TunnelError): void {
    if (!this.#isFirstOpen) return this.handlePathLost(cause);
    this.#breakOff(ResetCode.NotRelayed, cause.message);
  }

  acknowledge(): void {}

  get backlog(): number {
    return this.#queue.length;
  }

  writeTo(batch: Batch, quantum: number): boolean {
    if (this.#other === null) return false;
    if (this.#creditDue) {
      if (!batch.takesFrames) return true;
      this.#creditDue = false;
      const other = this.#other;
      this.#grant();
      batch.addFrame(encodeCredit(this.id, other.#acknowledged, this.#granted));
      if (this.#forgetWhenDone()) return false;
    }
    while (this.#frames.first !== undefined) {
      if (!batch.takesFrames) return true;
      batch.addFrame(this.#frames.shift() as Buffer);
    }
    let left = quantum;
    while (left > 0) {
      // Whole frames lie in whole records, there and where they are read next; what little is left goes with the next batch.
      const piece = this.#queue.peek(payloadBytesMax - headerBytes);
      if (piece === null) break;
      if (piece.length > batch.room && batch.length > 0) return true;
      const { headedSlab } = this.#queue;
      const headroom = headedSlab !== null;
      if (!batch.addData(this.id, { bytes: piece, headroom, first: true, cut: false, slab: headedSlab }))
        return true;
      this.#queue.advance(piece.length);
      left -= piece.length;
      this.#advance(piece.length);
    }
    if (this.#queue.length > 0) return true;
    if (this.#end === 'queued') {
      if (!batch.takesFrames) return true;
      batch.addHeader(FrameType.Fin, this.id);
      this.#end = 'sent';
    }
    return false;
  }

  /** Bytes went out to this side: the other side's sender may have credit for as many more. */
  #advance(bytes: number): void {
    this.#sent += bytes;
    const other = this.#other as RelaySide;
    other.#window.delivered += bytes;
    if (other.#window.due && other.#granted < this.#limit) other.#oweCredit();
  }

  /** Gives this side as much credit as its window has, and the far end. Only one that is due is renewed: it grows by how fast half of it is used up. */
  #grant(): number {
    const window = this.#window;
    if (window.due) {
      window.renew(this.#clock.now(), this.#session.roundTripMsMin ?? 0);
      window.acknowledged = window.delivered;
    }
    this.#granted = Math.max(this.#granted, Math.min((this.#other as RelaySide).#limit, window.limit));
    return this.#granted;
  }

  #handleAnswer(type: typeof FrameType.Opened | typeof FrameType.Resumed, answer: Answer): void {
    if (type !== this.#awaited) return;
    this.#awaited = null;
    this.#isFirstOpen = false;
    this.#answer(null);
    const other = this.#other as RelaySide;
    let limit: number;
    if (type === FrameType.Resumed) limit = this.begin(answer.received, answer.limit);
    else {
      this.#limit = Math.max(this.#limit, answer.limit);
      limit = other.#grant();
    }
    other.#session.sendControlFrame(encodeAnswer(type, other.id, { ...answer, limit }));
    this.#session.schedule(this);
  }

  /** What was acknowledged last goes before the RESET: an end that is done says both at once, and the other end is done by them. */
  #sayOwedCredit(): void {
    const acknowledged = (this.#other as RelaySide).#acknowledged;
    if (this.#creditDue) this.#session.sendControlFrame(encodeCredit(this.id, acknowledged, this.#granted));
  }

  /** Its text is left out where the gateway has too much waiting: it ends what was let in, and must go out. */
  #passOnReset(payload: Buffer): void {
    const frame = encodeFrame(FrameType.Reset, this.id, payload);
    if (this.#session.passOnControlFrame(frame, this.scope)) return;
    this.#session.sendControlFrame(encodeReset(this.id, decodeReset(payload).code, ''));
  }

  #answer(refusal: string | null): void {
    const onAnswer = this.#onAnswer;
    this.#onAnswer = null;
    onAnswer?.(refusal);
  }

  #handleCredit({ delivered, limit }: { delivered: number; limit: number }): void {
    this.#acknowledged = Math.max(this.#acknowledged, delivered);
    this.#limit = Math.max(this.#limit, limit);
    (this.#other as RelaySide).#oweCredit();
    this.#session.schedule(this);
  }

  #oweCredit(): void {
    this.#creditDue = true;
    this.#session.schedule(this);
  }

  /** Both ends went through here and so did their acknowledgements. */
  #forgetWhenDone(): boolean {
    const other = this.#other as RelaySide;
    const done = (side: RelaySide): boolean => side.#end === 'sent' && side.#acknowledged > side.#sent;
    if (!done(this) || !done(other) || this.#creditDue || other.#creditDue) return false;
    this.#forget();
    return true;
  }

  /** Ends it before the other side has heard of it. */
  refuse(code: ResetCode, text: string): void {
    this.#forget();
    this.#session.sendControlFrame(encodeReset(this.id, code, text));
  }

  /** Ends the stream at both ends. */
  resetBoth(code: ResetCode, text: string): void {
    if (this.#other !== null) this.#breakOff(code, text);
  }

  #breakOff(code: ResetCode, text: string): void {
    const other = this.#other;
    this.#forget();
    this.#session.sendControlFrame(encodeReset(this.id, code, text));
    if (other !== null) other.#session.sendControlFrame(encodeReset(other.id, code, text));
  }

  #forget(): void {
    const other = this.#other;
    if (other === null) return;
    this.#other = null;
    other.#other = null;
    for (const side of [this, other]) {
      side.#answer('ended');
      side.#queue.clear();
      side.#frames.clear();
      side.#window.release();
      side.#session.detach(side.id);
    }
  }
}
