/**
 * One end of a stream: a state machine without sockets. It outlives its path (docs/PROTOCOL.md, "Streams" and
 * "RESUME"): what was sent is kept until the peer has delivered it, and when the session under it breaks, the
 * stream moves to another with the offsets that both ends tell each other.
 *
 *   opener:    opening ──OPENED──► open ──both FINs acknowledged──► over
 *   acceptor:  offered ──accept()─► open ──────────────────────────► over
 *                 any ──RESET, or no path for pathWaitMs──────────► over
 *
 *   path:      none ──RESUME sent──► resuming ──RESUMED──► attached      (initiator)
 *              none or attached ──RESUME taken, RESUMED sent──► attached (the other)
 *
 * From sending or taking RESUME on, frames of every other path are dropped: the session that carried the
 * stream no longer knows it. The highest attempt wins; at a tie the opener's.
 */
import type { Batch } from './batch.ts';
import type { Clock } from './clock.ts';
import { ResetCode, type TunnelError } from './error.ts';
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
} from './frame.ts';
import type { Limits } from './limit.ts';
import type { Outbox } from './outbox.ts';
import { ByteQueue } from './byte-queue.ts';
import { DatagramQueue } from './datagram-queue.ts';
import { gatewayFor } from './link-scope.ts';
import { ReceiveWindow } from './receive-window.ts';
import { SendBuffer } from './send-buffer.ts';
import type { Slab } from './slab.ts';
import type { StreamEnd } from './stream-end.ts';
import type { PathEnd, Session } from './session.ts';
import type { Budget } from './budget.ts';

/** The process that holds an end of a stream. */
export interface ProcessName {
  id: string;
  bootId: string;
}

/** How a stream ended, remembered for a while to answer a late RESUME. */
export type Tombstone = { kind: 'done'; received: number } | { kind: 'reset'; code: number; text: string };

/** What a stream needs of its endpoint. */
export interface StreamHost {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly self: ProcessName;
  readonly sendBudget: Budget;
  /** A session over which the other end can be reached, with room for one more stream; null when there is none now. */
  findSession(stream: Stream): Session | null;
  /** The stream has no path and waits for one. */
  waiting(stream: Stream): void;
  /** The stream is over. */
  forget(stream: Stream, tombstone: Tombstone): void;
}

/** Who ended it, and how. */
export type ResetOrigin = 'here' | 'peer';

/** What an owner hears from its stream. Handlers are set before anything can arrive: at `open` or before `accept`. */
export interface StreamEvents {
  /** The other end took the stream (opener only). */
  onOpened?(): void;
  /** Bytes in order. The buffer may be kept. Call `deliver` when they have left this process. */
  onData?(piece: Buffer): void;
  /** The same for bytes that lie in a slab: good for the call, and until `release` for who calls `hold`. Without this they are copied for `onData`. */
  onSlabData?(piece: Buffer, slab: Slab): void;
  /** No more bytes will come. Call `deliverEnd` when that has been passed on. */
  onEnd?(): void;
  /** `room` is above zero again. */
  onRoom?(): void;
  /** The stream ended early. Nothing follows. */
  onReset?(code: number, text: string, origin: ResetOrigin): void;
  /** Both directions ended in order. Nothing follows. */
  onDone?(): void;
  /** One datagram. */
  onDatagram?(payload: Buffer): void;
}

/** What has become of it at this end. */
export type StreamPhase = 'opening' | 'offered' | 'open' | 'over';

/** One end of a stream. Made by `Endpoint.open`, or given to `onOpen`. */
export class Stream implements PathEnd, StreamEnd {
  readonly key: string;
  readonly opener: boolean;
  readonly metadata: unknown;
  /** Gateway and process at the other end; RESUME is taken from that client, or from a node that vouches. */
  readonly scope: string;
  readonly peer: ProcessName;
  events: StreamEvents = {};
  queuedIn: Outbox | null = null;
  /** When the path was lost; null while there is one. */
  pathLostAt: number | null = null;
  readonly #host: StreamHost;
  #phase: StreamPhase;
  #session: Session | null = null;
  #id = 0;
  #attempt = 0;
  #resuming = false;
  readonly #out = new SendBuffer();
  #outReserved = 0;
  #outLimit = 0;
  #finWanted = false;
  #finSent = false;
  #finSentEver = false;
  #finAcknowledged = false;
  readonly #in: ReceiveWindow;
  /** Offset of the next byte that comes on this path; below `#in.received` while an OPEN is repeated. */
  #inAt = 0;
  #early: ByteQueue | null = null;
  #finReceived = false;
  #finDelivered = false;
  #creditDue = false;
  #datagrams: DatagramQueue | null = null;
  /** Of a queue that is gone with its stream. */
  #datagramsDropped = 0;

  private constructor(
    host: StreamHost,
    session: Session,
    start: { key: string; opener: boolean; metadata: unknown; scope: string; peer: ProcessName },
  ) {
    this.#host = host;
    this.key = start.key;
    this.opener = start.opener;
    this.metadata = start.metadata;
    this.scope = start.scope;
    this.peer = start.peer;
    this.#phase = start.opener ? 'opening' : 'offered';
    this.#in = new ReceiveWindow(host.limits, session.receiveBudget);
  }

  /** Opens a stream: OPEN goes out, and up to `floorBytes` may follow at once. The floor has been taken on the session. */
  static open(
    host: StreamHost,
    session: Session,
    start: { key: string; metadata: unknown; scope: string; peer: ProcessName },
  ): Stream {
    const stream = new Stream(host, session, { ...start, opener: true });
    stream.#in.start(false);
    try {
      stream.#sendOpen(session);
    } catch (error) {
      // Metadata that does not fit an OPEN.
      session.detach(stream.#id);
      stream.#in.release();
      throw error;
    }
    return stream;
  }

  /** Takes an OPEN. The owner calls `accept` or `reset`; up to `floorBytes` may come before that and are kept. */
  static offered(
    host: StreamHost,
    session: Session,
    id: number,
    open: Open,
    start: { metadata: unknown; scope: string; peer: ProcessName },
  ): Stream {
    const stream = new Stream(host, session, { ...start, key: open.key, opener: false });
    stream.#attempt = open.attempt;
    stream.#outLimit = open.limit;
    stream.#early = new ByteQueue();
    stream.#in.start(true);
    stream.#attach(session, id);
    return stream;
  }

  get phase(): StreamPhase {
    return this.#phase;
  }

  get session(): Session | null {
    return this.#session;
  }

  /** Bytes that `write` takes now. It may go over by one chunk; below zero it is over already. */
  get room(): number {
    if (this.#phase === 'over' || this.#finWanted) return 0;
    const own =
      this.#host.limits.floorBytes + this.#outReserved + this.#host.sendBudget.free - this.#out.retained;
    return Math.min(this.#outLimit - this.#out.end, own);
  }

  /** Bytes kept here: sent and not acknowledged, not sent, or early. */
  get bufferedBytes(): number {
    return this.#out.retained;
  }

  get bytesReceived(): number {
    return this.#in.received;
  }

  get bytesSent(): number {
    return this.#out.end;
  }

  /** The window that the peer has been given, for tests and status. */
  get window(): number {
    return this.#in.window;
  }

  /** The owner takes the stream that was offered: OPENED goes out, and what came early is handed on. */
  accept(): void {
    if (this.#phase !== 'offered') return;
    this.#phase = 'open';
    this.#in.start(false);
    if (this.#session !== null) this.#sendOpened(this.#session);
    const early = this.#early;
    this.#early = null;
    for (let piece = early?.peek(payloadBytesMax); piece; piece = early?.peek(payloadBytesMax)) {
      early?.advance(piece.length);
      this.events.onData?.(piece);
    }
    if (this.#finReceived) this.events.onEnd?.();
    this.#offerRoom();
  }

  /** Sends bytes; takes the buffer over, and releases its slab when it is acknowledged. */
  write(bytes: Buffer, slab: Slab | null = null): void {
    if (this.#phase === 'over' || this.#finWanted) {
      slab?.release();
      return;
    }
    this.#out.push(bytes, slab);
    this.#settleReserve();
    this.#session?.schedule(this);
  }

  /** Sends a copy of bytes; for small ones, out of a buffer that is used again. */
  writeCopy(bytes: Uint8Array): void {
    if (this.#phase === 'over' || this.#finWanted) return;
    this.#out.pushCopy(bytes);
    this.#settleReserve();
    this.#session?.schedule(this);
  }

  /** No more bytes will be written: FIN follows the last. */
  end(): void {
    if (this.#phase === 'over' || this.#finWanted) return;
    this.#finWanted = true;
    this.#session?.schedule(this);
  }

  /** Ends both directions at once, and says why to the other end. */
  reset(code: ResetCode, text: string): void {
    if (this.#phase === 'over') return;
    const session = this.#session ?? this.#pathForReset();
    session?.sendControlFrame(encodeReset(this.#id, code, text));
    this.#finish({ kind: 'reset', code, text }, () => this.events.onReset?.(code, text, 'here'));
  }

  /** `bytes` of what `onData` gave have left this process. */
  deliver(bytes: number): void {
    if (this.#phase === 'over') return;
    this.#in.delivered += bytes;
    if (this.#in.due) this.#credit();
    else this.#session?.acknowledgeLater(this);
  }

  /** The end that `onEnd` told of has been passed on. */
  deliverEnd(): void {
    if (this.#phase === 'over' || !this.#finReceived || this.#finDelivered) return;
    this.#finDelivered = true;
    this.#credit();
  }

  /** The delay for an acknowledgement is over. */
  acknowledge(): void {
    if (this.#in.delivered > this.#in.acknowledged) this.#credit();
  }

  /** Sends one datagram, or drops the oldest that waits when there are too many. */
  sendDatagram(payload: Uint8Array): void {
    if (this.#phase === 'over') return;
    this.#datagrams ??= new DatagramQueue(this.#host.limits.datagramBytesMax);
    this.#datagrams.push(payload);
    this.#session?.schedule(this);
  }

  /** Datagrams dropped here for want of room. */
  get datagramsDropped(): number {
    return this.#datagrams?.dropped ?? this.#datagramsDropped;
  }

  // ---- what goes out

  /** Writes one turn's worth into the batch; returns whether there is more that could go now. Called by the session. */
  writeTo(batch: Batch, quantum: number): boolean {
    if (this.#phase === 'over') return false;
    if (this.#resuming || this.#phase === 'offered') return false;
    if (this.#creditDue) {
      if (!batch.takesFrames) return true;
      this.#creditDue = false;
      this.#writeCredit(batch);
      if (this.#isOver()) return false;
    }
    while (this.#datagrams?.first !== undefined) {
      if (!batch.takesFrames) return true;
      batch.addFrame(encodeFrame(FrameType.Datagram, this.#id, this.#datagrams.shift() as Buffer));
    }
    // The last piece of a turn may go over: cut, it could not be sent as it lies.
    let left = quantum;
    while (left > 0) {
      const may = Math.min(batch.room, this.#sendable);
      if (may <= 0) break;
      const piece = this.#out.take(may);
      if (piece === null) break;
      if (piece.cut && this.#waitsForWhole(batch)) {
        this.#out.putBack(piece);
        return batch.length > 0;
      }
      if (!batch.addData(this.#id, piece)) {
        this.#out.putBack(piece);
        return true;
      }
      left -= piece.bytes.length + headerBytes;
    }
    if (this.#sendable > 0) return true;
    if (this.#finWanted && !this.#finSent && this.#out.unsent === 0) {
      if (!batch.takesFrames) return true;
      batch.addHeader(FrameType.Fin, this.#id);
      this.#finSent = this.#finSentEver = true;
    }
    return false;
  }

  /**
   * Whether a piece that room or credit would cut is better sent whole later, as it lies: when the batch has
   * something already, or when more credit is sure to come because the peer renews it at half its window.
   */
  #waitsForWhole(batch: Batch): boolean {
    return batch.length > 0 || this.#outLimit - this.#out.acknowledged >= 2 * payloadBytesMax;
  }

  get backlog(): number {
    return this.#out.unsent;
  }

  get #sendable(): number {
    const most =
      this.#phase === 'opening' ? Math.min(this.#outLimit, this.#host.limits.floorBytes) : this.#outLimit;
    return Math.min(this.#out.unsent, most - this.#out.next);
  }

  #writeCredit(batch: Batch): void {
    const session = this.#session as Session;
    const limit = this.#in.renew(this.#host.clock.now(), session.roundTripMsMin);
    this.#in.acknowledged = this.#in.delivered;
    batch.addFrame(encodeCredit(this.#id, this.#in.delivered + (this.#finDelivered ? 1 : 0), limit));
  }

  #credit(): void {
    this.#creditDue = true;
    this.#session?.schedule(this);
  }

  // ---- what comes in

  handleData(piece: Buffer, slab: Slab | null = null): void {
    if (
      this.#isUnanswered ||
      this.#inAt + piece.length > this.#in.limit ||
      (this.#finReceived && this.#inAt >= this.#in.received)
    ) {
      this.reset(
        ResetCode.Protocol,
        'the peer sent more than it was given credit for, before its answer, or after its end',
      );
      return;
    }
    const known = this.#in.received - this.#inAt;
    this.#inAt += piece.length;
    if (known >= piece.length) return;
    const fresh = known > 0 ? piece.subarray(known) : piece;
    this.#in.received += fresh.length;
    if (slab === null) this.#handOn(fresh);
    else if (this.#early === null && this.events.onSlabData !== undefined)
      this.events.onSlabData(fresh, slab);
    else this.#handOn(Buffer.from(fresh));
  }

  #handOn(piece: Buffer): void {
    if (this.#early === null) this.events.onData?.(piece);
    else this.#early.push(piece);
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
    const out = this.#out;
    if (this.#isUnanswered || delivered > out.sentMax + (this.#finSentEver ? 1 : 0)) {
      this.reset(ResetCode.Protocol, 'the peer acknowledged what was never sent, or before its answer');
      return;
    }
    if (delivered > out.end) this.#finAcknowledged = true;
    const acknowledged = Math.min(delivered, out.end);
    if (acknowledged > out.acknowledged) {
      out.acknowledge(acknowledged);
      this.#settleReserve();
    }
    if (limit > this.#outLimit) this.#outLimit = limit;
    if (this.#sendable > 0) this.#session?.schedule(this);
    if (!this.#finishWhenDone()) this.#offerRoom();
  }

  #handleFin(): void {
    if (this.#isUnanswered || (this.#finReceived && this.#inAt > this.#in.received)) {
      this.reset(ResetCode.Protocol, 'the peer ended its direction twice, or before its answer');
      return;
    }
    if (this.#inAt < this.#in.received) {
      this.reset(ResetCode.Protocol, 'the peer ended its direction below what it had sent before');
      return;
    }
    this.#inAt += 1;
    if (this.#finReceived) return;
    this.#finReceived = true;
    if (this.#early === null) this.events.onEnd?.();
  }

  /** OPENED or RESUMED comes before all else on a path. */
  get #isUnanswered(): boolean {
    return this.#resuming || this.#phase === 'opening';
  }

  #handleOpened(answer: Answer): void {
    if (this.#phase !== 'opening' || answer.attempt !== this.#attempt) return;
    this.#phase = 'open';
    this.#outLimit = Math.max(answer.limit, this.#outLimit);
    this.events.onOpened?.();
    this.#session?.schedule(this);
    this.#offerRoom();
  }

  #handleReset({ code, text }: { code: number; text: string }): void {
    if (code === ResetCode.PathLost || code === ResetCode.PathOutdated) {
      // A path that was refused is tried again with the next tick or the next session, not at once for ever.
      const established = code === ResetCode.PathLost && !this.#resuming && this.#phase === 'open';
      this.#session?.detach(this.#id);
      this.#losePath(established);
      return;
    }
    this.#finish({ kind: 'reset', code, text }, () => this.events.onReset?.(code, text, 'peer'));
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
    if (this.#phase !== 'opening' || this.#attempt > 1) return this.handlePathLost(cause);
    const next = this.#host.findSession(this);
    if (next !== null && this.#isDirect(next)) return this.handlePathLost(cause);
    const { ShuttingDown: code } = ResetCode;
    this.#session = null;
    this.#finish({ kind: 'reset', code, text: cause.message }, () =>
      this.events.onReset?.(code, cause.message, 'peer'),
    );
  }

  /** Tries to move to a session that has come up. */
  seekPath(): void {
    if (this.#phase === 'over' || this.#session !== null || this.#phase === 'offered') return;
    const session = this.#host.findSession(this);
    if (session === null) return;
    if (this.#phase === 'opening') this.#repeatOpen(session);
    else this.#sendResume(session);
  }

  /**
   * Moves the stream away from a session that still works, and is not usable any more: drain, rebalancing, or a token that
   * is no longer good. It stays where there is no other as good, or while it waits to be accepted.
   */
  move(): void {
    if (this.#phase === 'over' || this.#phase === 'offered' || this.#session === null) return;
    const next = this.#host.findSession(this);
    // A path of its own that still works is better than one through a relay, of which nobody knows whether it leads on.
    if (next === null || (this.#isDirect(this.#session) && !this.#isDirect(next))) return;
    this.#leavePath();
    this.#losePath();
  }

  #isDirect({ peer }: Session): boolean {
    return peer.id === this.peer.id && peer.bootId === this.peer.bootId;
  }

  /** The peer's RESUME, taken from a session that may speak for it. */
  handleResume(session: Session, id: number, resume: Resume): void {
    if (!this.#isNewer(resume.attempt)) {
      session.sendControlFrame(encodeReset(id, ResetCode.PathOutdated, 'another path is newer'));
      return;
    }
    if (this.#phase === 'offered') {
      session.sendControlFrame(encodeReset(id, ResetCode.Protocol, 'the stream was not accepted yet'));
      return;
    }
    if (!this.#moveTo(session, id)) return;
    this.#attempt = resume.attempt;
    this.#inAt = this.#received;
    const limit = this.#in.restart(session.receiveBudget, false);
    session.sendControlFrame(
      encodeAnswer(FrameType.Resumed, id, { attempt: this.#attempt, received: this.#received, limit }),
    );
    const opened = this.#phase === 'opening';
    if (opened) this.#phase = 'open';
    this.#continueFrom(resume);
    if (opened) this.events.onOpened?.();
    this.#offerRoom();
  }

  /** The peer's OPEN once more, after the path of the first one died: nothing is dialled twice. */
  handleOpenAgain(session: Session, id: number, open: Open): void {
    if (this.opener || !this.#isNewer(open.attempt)) {
      session.sendControlFrame(encodeReset(id, ResetCode.PathOutdated, 'another path is newer'));
      return;
    }
    if (this.#out.acknowledged > 0) {
      session.sendControlFrame(encodeReset(id, ResetCode.Protocol, 'the stream had been opened already'));
      return;
    }
    if (!this.#moveTo(session, id)) return;
    this.#attempt = open.attempt;
    this.#inAt = 0;
    this.#outLimit = open.limit;
    this.#out.rewind(0);
    this.#finSent = false;
    this.#in.restart(session.receiveBudget, this.#phase === 'offered');
    if (this.#phase === 'open') this.#sendOpened(session);
    session.schedule(this);
  }

  /**
   * The highest attempt wins; at a tie the opener's, so only an acceptor gives way: while its own waits for an answer, and
   * when that was refused. Else both would refuse each other with every second's next attempt.
   */
  #isNewer(attempt: number): boolean {
    const givesWay = !this.opener && (this.#resuming || this.#session === null);
    return attempt > this.#attempt || (attempt === this.#attempt && givesWay);
  }

  #handleResumed(answer: Answer): void {
    if (!this.#resuming || answer.attempt !== this.#attempt) return;
    this.#resuming = false;
    this.#continueFrom(answer);
    this.#offerRoom();
  }

  /** The peer has all below `received`: what follows is sent from there. */
  #continueFrom({ received, limit }: Answer): void {
    const out = this.#out;
    if (received < out.acknowledged || received > out.sentMax + (this.#finSentEver ? 1 : 0)) {
      this.reset(ResetCode.Protocol, 'the peer resumed from an offset that cannot be');
      return;
    }
    out.rewind(Math.min(received, out.end));
    this.#finSent = received > out.end;
    this.#outLimit = limit;
    this.#session?.schedule(this);
    if (this.#in.delivered > 0 || this.#finDelivered) this.#credit();
  }

  #sendOpen(session: Session): void {
    this.#attempt += 1;
    const id = session.attach(this);
    this.#attach(session, id);
    const owner = gatewayFor(session.peer, this.scope);
    const body = { from: this.#host.self, to: this.peer, ...owner, meta: this.metadata };
    session.sendControlFrame(
      encodeOpen(id, { key: this.key, attempt: this.#attempt, limit: this.#in.limit, body }),
    );
    this.#outLimit = this.#host.limits.floorBytes;
  }

  #repeatOpen(session: Session): void {
    if (!session.receiveBudget.take(this.#host.limits.floorBytes)) return;
    this.#in.restart(session.receiveBudget, false);
    this.#out.rewind(0);
    this.#finSent = false;
    this.#sendOpen(session);
    session.schedule(this);
  }

  #sendOpened(session: Session): void {
    session.sendControlFrame(
      encodeAnswer(FrameType.Opened, this.#id, {
        attempt: this.#attempt,
        received: this.#received,
        limit: this.#in.limit,
      }),
    );
    session.schedule(this);
  }

  #sendResume(session: Session): void {
    if (!session.receiveBudget.take(this.#host.limits.floorBytes)) return;
    this.#attempt += 1;
    this.#resuming = true;
    const id = session.attach(this);
    this.#attach(session, id);
    this.#inAt = this.#received;
    const limit = this.#in.restart(session.receiveBudget, false);
    const body = { from: this.#host.self, to: this.peer, ...gatewayFor(session.peer, this.scope) };
    session.sendControlFrame(
      encodeResume(id, { key: this.key, attempt: this.#attempt, received: this.#received, limit, body }),
    );
  }

  /** A reset needs a path even where the stream has none, or the peer would wait for a minute. */
  #pathForReset(): Session | null {
    if (this.#phase === 'offered') return null;
    this.seekPath();
    return this.#session;
  }

  #moveTo(session: Session, id: number): boolean {
    if (!session.receiveBudget.take(this.#host.limits.floorBytes)) {
      session.sendControlFrame(encodeReset(id, ResetCode.PathLost, 'no window left on this session'));
      return false;
    }
    if (this.#session !== null) this.#leavePath();
    this.#out.pin();
    this.#attach(session, id);
    session.adopt(id, this);
    this.#resuming = false;
    return true;
  }

  #attach(session: Session, id: number): void {
    this.#session = session;
    this.#id = id;
    this.pathLostAt = null;
  }

  /** Leaves a session that may still be alive, and lets relays on the way forget the stream. */
  #leavePath(): void {
    const session = this.#session as Session;
    session.detach(this.#id);
    session.sendControlFrame(encodeReset(this.#id, ResetCode.PathLost, 'moved to another path'));
    this.#session = null;
  }

  #losePath(seek = true): void {
    this.#out.pin();
    this.#session = null;
    this.#resuming = false;
    // All that is still owed is the acknowledgement of the peer's end: a peer that wants it asks what became of the stream.
    this.#creditDue &&= !(this.#finAcknowledged && this.#finDelivered);
    if (this.#isOver()) return;
    this.pathLostAt ??= this.#host.clock.now();
    this.#host.waiting(this);
    if (seek) this.seekPath();
  }

  // ---- ends

  /** Received so far, an end counting as one byte. */
  get #received(): number {
    return this.#in.received + (this.#finReceived ? 1 : 0);
  }

  #isOver(): boolean {
    return this.#finishWhenDone() || this.#phase === 'over';
  }

  /** Both ends have both directions: the peer knows that we have its end, and we that it has ours. */
  #finishWhenDone(): boolean {
    if (this.#phase !== 'open' || !this.#finAcknowledged || !this.#finDelivered || this.#creditDue)
      return false;
    this.#finish({ kind: 'done', received: this.#received }, () => this.events.onDone?.());
    return true;
  }

  #finish(tombstone: Tombstone, tell: () => void): void {
    if (this.#phase === 'over') return;
    this.#phase = 'over';
    if (tombstone.kind === 'done' && this.#attempt > 1) {
      // A relay on a path that began in mid-stream may not have seen both ends pass.
      this.#session?.sendControlFrame(
        encodeReset(this.#id, ResetCode.PathLost, 'the stream has ended in order'),
      );
    }
    this.#session?.detach(this.#id);
    this.#session = null;
    this.#in.release();
    this.#out.clear();
    this.#settleReserve();
    this.#early = null;
    this.#datagramsDropped = this.datagramsDropped;
    this.#datagrams = null;
    this.#host.forget(this, tombstone);
    tell();
    this.events = {};
  }

  #offerRoom(): void {
    if (this.room > 0) this.events.onRoom?.();
  }

  /** What is kept above the floor is taken from the process's budget, neither more nor less. */
  #settleReserve(): void {
    const wanted = Math.max(0, this.#out.retained - this.#host.limits.floorBytes);
    const budget = this.#host.sendBudget;
    if (wanted > this.#outReserved) this.#outReserved += budget.takeUpTo(wanted - this.#outReserved);
    else if (wanted < this.#outReserved) {
      budget.give(this.#outReserved - wanted);
      this.#outReserved = wanted;
    }
  }
}
