/**
 * One authenticated connection between two processes, carrying many streams. A state machine over a carrier:
 *
 *     handshake ──WELCOME sent or received──► up ──GOAWAY──► up, takes no new streams ──► closed
 *         └──────────── refused, late, malformed, silent for deadAfterMs ────────────────► closed
 *
 * It hands frames to whoever holds the end of a stream here (`PathEnd`, by number in the `PathTable`), and sends by its
 * `Outbox`. A stream that ends or moves leaves its number.
 */
import { Budget } from '../memory/budget.ts';
import type { Carrier, Transport } from '../carrier/carrier.ts';
import type { Clock } from '../clock.ts';
import { FrameDecoder, type FrameSink } from '../frame/decoder.ts';
import { brokenProtocol, GoAwayCode, ResetCode, TunnelError } from '../error.ts';
import { Flight } from '../carrier/flight.ts';
import {
  decodeGoAway,
  decodeJson,
  decodeOpen,
  decodeReceived,
  decodeResume,
  encodeBody,
  encodeFrame,
  encodeGoAway,
  encodeReset,
  FrameType,
} from '../frame/frame.ts';
import { Handshake } from './handshake.ts';
import { LateAcknowledgements } from './late-acknowledgements.ts';
import type { Limits } from '../limit.ts';
import { Keepalive } from './keepalive.ts';
import { Outbox } from './outbox.ts';
import type { PathEnd } from './path-end.ts';
import { PathTable } from './path-table.ts';
import { linkScope, type Peer } from './peer.ts';
import { QuietWatch } from './quiet-watch.ts';
import { Reading } from './reading-turns.ts';
import type { SessionOptions, SessionOwner } from './session-owner.ts';
import type { Slab } from '../memory/slab.ts';

/** An end says once that it goes, and once more where it then cuts. Each costs a look at all paths. */
const goAwaysMax = 4;

type Phase = 'handshake' | 'up' | 'closed';

/** Made by `Endpoint.accept` and `Endpoint.connect`. */
export class Session implements FrameSink {
  readonly connectedAt: Date = new Date();
  /** False once either end said GOAWAY, or the session is closed: no new streams. */
  usable = false;
  /** How it comes up; over for good then. */
  readonly handshake: Handshake;
  readonly #carrier: Carrier;
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #owner: SessionOwner;
  readonly #reading: Reading;
  #phase: Phase = 'handshake';
  #peer: Peer | null = null;
  readonly #receiveBudgetOf: (scope: string) => Budget;
  #receiveBudget: Budget | null = null;
  readonly #paths: PathTable;
  readonly #keepalive: Keepalive;
  readonly #quietWatch: QuietWatch;
  readonly #late: LateAcknowledgements;
  #goingAway = false;
  /** How often the peer has said GOAWAY. */
  #goAwaysHeard = 0;
  /** Its peer does not read; it is closed in a moment. */
  #isGivenUp = false;
  readonly #flight: Flight;
  readonly #outbox: Outbox;

  constructor(options: SessionOptions) {
    this.#carrier = options.carrier;
    this.#clock = options.clock;
    this.#limits = options.limits;
    this.#owner = options.owner;
    this.#flight = new Flight(options.shortTraffic);
    this.#outbox = new Outbox({
      carrier: this.#carrier,
      clock: this.#clock,
      limits: this.#limits,
      flight: this.#flight,
      roundTripMs: () => this.roundTripMsMin,
      controlRoom: () => ({ room: options.controlRoom, scope: this.#peer?.scope ?? '' }),
    });
    this.#reading = new Reading({
      carrier: this.#carrier,
      decoder: new FrameDecoder(this),
      turns: options.readingTurns,
      scope: () => this.#peer?.scope ?? null,
      onError: (error) => this.#handleBroken(error),
    });
    this.#late = new LateAcknowledgements(this.#clock, this.#limits.acknowledgeDelayMs);
    this.#paths = new PathTable(options.dialer, options.limits.streamsPerSessionMax);
    this.#receiveBudgetOf = options.receiveBudgetOf;
    this.#keepalive = new Keepalive(this.#limits, this.#clock.now());
    this.#quietWatch = new QuietWatch({
      clock: this.#clock,
      limits: this.#limits,
      keepalive: this.#keepalive,
      paths: this.#paths,
      sendPing: () => this.#sendPing(),
    });
    this.handshake = new Handshake(this, this.#clock, this.#limits);
    this.#carrier.start({
      handleBytes: (chunk, slab = null) => this.#handleBytes(chunk, slab),
      handleClose: (error) => this.#handleCarrierClose(error),
    });
  }

  get transport(): Transport {
    return this.#carrier.transport;
  }

  get remoteAddress(): string {
    return this.#carrier.remoteAddress;
  }

  /** Who is at the other end; only when the handshake is over. */
  get peer(): Peer {
    if (this.#peer === null) throw new TunnelError('TUNNEL_PROTOCOL_VIOLATED', 'the handshake is not over');
    return this.#peer;
  }

  /** For the windows of its streams; only when the handshake is over. */
  get receiveBudget(): Budget {
    this.#receiveBudget ??= new Budget(
      this.#limits.receiveBytesPerSessionMax,
      this.#receiveBudgetOf(this.peer.scope),
    );
    return this.#receiveBudget;
  }

  /** The last round trip that was measured, in ms. */
  get roundTripMs(): number | null {
    return this.#keepalive.roundTripMs;
  }

  /** The shortest of late. */
  get roundTripMsMin(): number | null {
    return this.#keepalive.roundTripMsMin;
  }

  /** When something came from the peer last, whatever it was, by the endpoint's clock. */
  get heardAt(): number {
    return this.#keepalive.heardAt;
  }

  get streamCount(): number {
    return this.#paths.size;
  }

  /** Whether the peer owes an answer for longer than one should take. It may be dead, which is known only later. */
  get quiet(): boolean {
    return this.#keepalive.isQuiet(this.#clock.now());
  }

  /** What control frames that wait, and go before all data, take of memory. */
  get controlBytes(): number {
    return this.#outbox.controlBytes;
  }

  get closed(): boolean {
    return this.#phase === 'closed';
  }

  // ---- what the owner asks

  /** The handshake is over: streams may come and go. */
  establish(peer: Peer): void {
    if (this.#phase !== 'handshake') throw closedError();
    this.#phase = 'up';
    this.#peer = peer;
    if (peer.scope === linkScope) this.#paths.shareAmongScopes();
    this.usable = true;
    this.#sendPing();
  }

  /**
   * Sends JSON on stream 0. What does not fit a frame is not sent, and the owner is told: it is said by timers and
   * handlers, and an error that nobody catches there would end the process.
   */
  sendControl(body: unknown): void {
    const frame = this.#controlFrame(body);
    if (frame !== null) this.sendControlFrame(frame);
  }

  #controlFrame(body: unknown): Buffer | null {
    try {
      return encodeBody(FrameType.Control, body);
    } catch (error) {
      if (!(error instanceof TunnelError)) throw error;
      this.#owner.handleControlLost(this, error);
      return null;
    }
  }

  /** Takes no more streams and tells the peer; closes when the last one has gone. */
  goAway(code: GoAwayCode, text: string): void {
    if (this.#phase !== 'up' || this.#goingAway) return;
    this.#goingAway = true;
    this.usable = false;
    this.sendControlFrame(encodeGoAway(this.#paths.peerHighest, code, text));
    this.#endWhenIdle();
  }

  /** Closes at once. Streams lose their path and move if they can. */
  destroy(cause: TunnelError): void {
    this.#close(cause, false);
  }

  /** Closes at once, when GOAWAY and what else is queued as control, RESETs above all, has been sent. */
  end(code: GoAwayCode, text: string): void {
    this.goAway(code, text);
    this.#close(new TunnelError('TUNNEL_CLOSED', text), true);
  }

  /** Refuses the peer, in the handshake or later: GOAWAY with a reason and what was taken until now, then the end. */
  refuse(code: GoAwayCode, text: string): void {
    if (this.#phase === 'closed') return;
    this.sendControlFrame(encodeGoAway(this.#paths.peerHighest, code, text));
    this.#close(new TunnelError('TUNNEL_REFUSED', text), true);
  }

  /** `gently`: what is queued as control is still sent. */
  #close(cause: TunnelError, gently: boolean): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    this.usable = false;
    this.#reading.close();
    this.#late.stop();
    this.#quietWatch.stop();
    const last = this.#outbox.close();
    if (gently) this.#carrier.end(last);
    else this.#carrier.destroy();
    for (const path of this.#paths.removeAll()) {
      this.#leaveQueues(path);
      path.handlePathLost(cause);
    }
    this.handshake.handleClose(cause);
    this.#owner.handleClose(this, cause);
  }

  /** The streams and relays that this session carries. */
  paths(): PathEnd[] {
    return this.#paths.all();
  }

  /** Called about once a second: sends PING in time, and ends a session that is silent. For `deafMs` nobody has listened. */
  tick(now: number, deafMs: number): void {
    if (this.#phase !== 'up') return;
    if (deafMs > 0) this.#keepalive.discount(deafMs, now);
    const deadMs = this.#keepalive.deadFor(now);
    if (deadMs !== null)
      this.destroy(new TunnelError('TUNNEL_DEAD', `nothing was heard for ${Math.round(deadMs)} ms`));
    else if (this.#keepalive.due(now)) this.#sendPing();
  }

  // ---- what streams and relays ask

  /** Whether there is no place for one more stream of this scope: a link is no one gateway's. */
  isFullFor(scope: string): boolean {
    return this.#paths.isFullFor(scope);
  }

  /** Whether one more stream can be taken: a number, a place and a floor of window. Takes the floor. */
  reserve(scope: string): boolean {
    if (!this.usable || this.isFullFor(scope)) return false;
    if (this.#paths.isUsedUp) {
      this.goAway(GoAwayCode.StreamsUsedUp, 'stream numbers are used up');
      return false;
    }
    return this.receiveBudget.take(this.#limits.floorBytes);
  }

  /** Gives a number to a path that begins here. */
  attach(path: PathEnd): number {
    const id = this.#paths.add(path);
    this.#quietWatch.begin();
    return id;
  }

  /** Takes a path under the number that the peer gave it. */
  adopt(id: number, path: PathEnd): void {
    this.#paths.adopt(id, path);
  }

  /** Lets a path go; what still comes for it is late. */
  detach(id: number): void {
    const path = this.#paths.remove(id);
    if (path === undefined) return;
    this.#leaveQueues(path);
    this.#endWhenIdle();
  }

  /** The peer went away without taking our streams above `lastStream`: they look for another path. */
  dropAbove(lastStream: number): void {
    const cause = new TunnelError('TUNNEL_CLOSED', 'the peer went away without taking the stream');
    for (const path of this.#paths.removeOwnAbove(lastStream)) {
      this.#leaveQueues(path);
      path.handleNotTaken(cause);
    }
  }

  /** Puts a path into the queue: it has something to say. */
  schedule(path: PathEnd): void {
    this.#outbox.schedule(path);
    if (this.#phase === 'up') this.#quietWatch.begin();
  }

  /** Sends a control frame before all data. A peer that does not read is cut when too many wait. */
  sendControlFrame(frame: Buffer): void {
    if (this.#phase === 'closed') return;
    const hasRoom = this.#outbox.sendControl(frame);
    const waiting = this.controlBytes;
    if ((hasRoom && waiting <= this.#limits.controlBytesMax) || this.#isGivenUp) return;
    this.#isGivenUp = true;
    const text = `${waiting} bytes of control frames wait for a peer that does not read`;
    // Not at once: a path that is being made may be what says it.
    this.#clock.soon(() => this.destroy(new TunnelError('TUNNEL_PEER_NOT_READING', text)));
  }

  /**
   * Passes a control frame on for a gateway; a tunnel is its gateway's alone. Returns false where so many of its frames wait
   * on this link already that those of others would be late.
   */
  passOnControlFrame(frame: Buffer, scope: string): boolean {
    if (this.#phase === 'closed') return true;
    if (this.peer.scope === linkScope) return this.#outbox.passOnControl(frame, scope);
    this.sendControlFrame(frame);
    return true;
  }

  /** Little was delivered: the acknowledgement waits for more, but not long. */
  acknowledgeLater(path: PathEnd): void {
    this.#late.add(path);
  }

  #leaveQueues(path: PathEnd): void {
    this.#outbox.leave(path);
    this.#late.delete(path);
  }

  #sendPing(): void {
    this.sendControlFrame(this.#keepalive.ping(this.#clock.now(), this.#flight.carried));
  }

  #endWhenIdle(): void {
    if (!this.#goingAway || this.#paths.size > 0) return;
    // The last path leaves while a batch is filled, or before it has said why: what it says last goes out first.
    this.#clock.soon(() => {
      if (this.#paths.size === 0) this.#close(closedError(), true);
    });
  }

  // ---- what comes in

  #handleBytes(chunk: Buffer, slab: Slab | null): void {
    if (this.#phase === 'closed') return;
    this.#keepalive.heard(this.#clock.now());
    if (this.#flight.handleReceived(chunk.length)) this.#outbox.flushSoon();
    this.#reading.take(chunk, slab);
  }

  /** What came before is handled first, in its turns; nothing goes out any more. */
  #handleCarrierClose(error: Error | null): void {
    const text = error === null ? 'the connection was closed' : `the connection broke: ${error.message}`;
    this.usable = false;
    this.#outbox.close();
    this.#reading.finish(() =>
      this.destroy(new TunnelError('TUNNEL_CARRIER_CLOSED', text, { cause: error })),
    );
  }

  #handleBroken(error: unknown): void {
    if (!(error instanceof TunnelError)) throw error;
    this.sendControlFrame(encodeGoAway(this.#paths.peerHighest, GoAwayCode.Protocol, error.message));
    this.#close(error, true);
  }

  handleData(stream: number, piece: Buffer, slab: Slab | null, headed: boolean): void {
    if (this.#phase === 'closed') return;
    this.#paths.find(stream)?.handleData(piece, slab, headed);
  }

  handleFrame(type: number, stream: number, payload: Buffer): void {
    if (this.#phase === 'closed') return;
    if (this.#phase === 'handshake') this.handshake.handleFrame(type, stream, payload);
    else if (stream === 0) this.#handleOwn(type, payload);
    else if (type === FrameType.Open || type === FrameType.Resume) this.#handleNew(type, stream, payload);
    else this.#paths.find(stream)?.handleFrame(type, payload);
  }

  #handleOwn(type: number, payload: Buffer): void {
    switch (type) {
      case FrameType.Ping:
        this.#outbox.sendPong(encodeFrame(FrameType.Pong, 0, payload));
        break;
      case FrameType.Pong:
        this.#keepalive.handlePong(payload, this.#clock.now(), this.#flight.carried);
        break;
      case FrameType.GoAway: {
        const { lastStream, text } = decodeGoAway(payload);
        this.#goAwaysHeard += 1;
        if (this.#goAwaysHeard > goAwaysMax) throw brokenProtocol('GOAWAY again and again');
        this.usable = false;
        this.#owner.handleGoAway(this, lastStream, text);
        break;
      }
      case FrameType.Received:
        if (!this.#flight.handleRead(decodeReceived(payload), this.#clock.now()))
          throw brokenProtocol('RECEIVED counts what was never sent, or less than before');
        this.#outbox.handleRoom();
        break;
      case FrameType.Control:
        this.#owner.handleControl(this, decodeJson(payload));
        break;
      case FrameType.Hello:
      case FrameType.Welcome:
        throw brokenProtocol('a handshake frame after the handshake');
      default: // A frame of a later version: passed over.
    }
  }

  #handleNew(type: number, stream: number, payload: Buffer): void {
    this.#paths.handleNew(stream);
    if (this.#goingAway) {
      this.sendControlFrame(encodeReset(stream, ResetCode.ShuttingDown, 'this end is going away'));
      return;
    }
    if (type === FrameType.Open) this.#owner.handleOpen(this, stream, decodeOpen(payload));
    else this.#owner.handleResume(this, stream, decodeResume(payload));
  }
}

function closedError(): TunnelError {
  return new TunnelError('TUNNEL_CLOSED', 'the session is closed');
}
