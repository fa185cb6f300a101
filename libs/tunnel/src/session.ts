/**
 * One authenticated connection between two processes, carrying many streams. A state machine over a carrier:
 *
 *     handshake ──WELCOME sent or received──► up ──GOAWAY──► up, takes no new streams ──► closed
 *         └──────────── refused, late, malformed, silent for deadAfterMs ────────────────► closed
 *
 * It numbers streams, hands frames to whoever holds the end of a stream here (`PathEnd`), and sends by its `Outbox`. A
 * stream that ends or moves leaves its number: frames for it that still come are late and dropped; frames for a number
 * never given break the protocol.
 */
import { Budget } from './budget.ts';
import type { Carrier, Transport } from './carrier.ts';
import type { Clock } from './clock.ts';
import { FrameDecoder, type FrameSink } from './decoder.ts';
import { brokenProtocol, GoAwayCode, ResetCode, TunnelError } from './error.ts';
import { Flight, type ShortTraffic } from './flight.ts';
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
  type Open,
  type Resume,
} from './frame.ts';
import { Handshake } from './handshake.ts';
import type { Limits } from './limit.ts';
import { Keepalive } from './keepalive.ts';
import { Outbox } from './outbox.ts';
import type { PathEnd } from './path-end.ts';
import type { Peer } from './peer.ts';
import { QuietWatch } from './quiet-watch.ts';
import type { Slab } from './slab.ts';

/** What a session tells its endpoint. */
export interface SessionOwner {
  handleOpen(session: Session, id: number, open: Open): void;
  handleResume(session: Session, id: number, resume: Resume): void;
  handleControl(session: Session, body: unknown): void;
  handleGoAway(session: Session, lastStream: number, text: string): void;
  handleClose(session: Session, cause: TunnelError): void;
}

/** What a session is made with. */
export interface SessionOptions {
  carrier: Carrier;
  clock: Clock;
  limits: Limits;
  /** The dialling end numbers its streams 1, 3, 5…; the other 2, 4, 6… */
  dialer: boolean;
  receiveBudget: Budget;
  shortTraffic: ShortTraffic;
  owner: SessionOwner;
}

type Phase = 'handshake' | 'up' | 'closed';

const streamNumberMax = 0xffff_fffd;

/** Made by `Endpoint.accept` and `Endpoint.connect`. */
export class Session implements FrameSink {
  readonly receiveBudget: Budget;
  readonly connectedAt: Date = new Date();
  /** False once either end said GOAWAY, or the session is closed: no new streams. */
  usable = false;
  /** How it comes up; over for good then. */
  readonly handshake: Handshake;
  readonly #carrier: Carrier;
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #owner: SessionOwner;
  readonly #decoder = new FrameDecoder(this);
  #phase: Phase = 'handshake';
  #peer: Peer | null = null;
  readonly #paths = new Map<number, PathEnd>();
  #nextId: number;
  #peerHighest = 0;
  readonly #keepalive: Keepalive;
  readonly #quietWatch: QuietWatch;
  readonly #lazy = new Set<PathEnd>();
  #stopLazyTimer: (() => void) | null = null;
  #goingAway = false;
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
    });
    this.#nextId = options.dialer ? 1 : 2;
    this.receiveBudget = new Budget(options.limits.receiveBytesPerSessionMax, options.receiveBudget);
    this.#keepalive = new Keepalive(this.#limits, this.#clock.now());
    this.#quietWatch = new QuietWatch({
      clock: this.#clock,
      limits: this.#limits,
      keepalive: this.#keepalive,
      sendPing: () => this.#sendPing(),
      tellPaths: (isQuiet) => {
        if (isQuiet) this.#tellQuiet();
        return this.#paths.size > 0;
      },
    });
    this.handshake = new Handshake(this, this.#clock, this.#limits);
    this.#carrier.start({
      handleBytes: (chunk, slab = null) => this.#handleBytes(chunk, slab),
      handleClose: (error) =>
        this.destroy(
          new TunnelError(
            'TUNNEL_CARRIER_CLOSED',
            error === null ? 'the connection was closed' : `the connection broke: ${error.message}`,
            { cause: error },
          ),
        ),
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

  /** The last round trip that was measured, in ms. */
  get roundTripMs(): number | null {
    return this.#keepalive.roundTripMs;
  }

  /** The shortest. */
  get roundTripMsMin(): number | null {
    return this.#keepalive.roundTripMsMin;
  }

  get streamCount(): number {
    return this.#paths.size;
  }

  /** Whether the peer owes an answer for longer than one should take. It may be dead, which is known only later. */
  get quiet(): boolean {
    return this.#keepalive.isQuiet(this.#clock.now());
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
    this.usable = true;
    this.#sendPing();
  }

  /** Sends JSON on stream 0. */
  sendControl(body: unknown): void {
    this.sendControlFrame(encodeBody(FrameType.Control, body));
  }

  /** Takes no more streams and tells the peer; closes when the last one has gone. */
  goAway(code: GoAwayCode, text: string): void {
    if (this.#phase !== 'up' || this.#goingAway) return;
    this.#goingAway = true;
    this.usable = false;
    this.sendControlFrame(encodeGoAway(this.#peerHighest, code, text));
    this.#endWhenIdle();
  }

  /** Closes at once. Streams lose their path and move if they can. */
  destroy(cause: TunnelError): void {
    this.#close(cause, false);
  }

  /** Refuses the peer: GOAWAY with a reason, then the end. */
  refuse(code: GoAwayCode, text: string): void {
    if (this.#phase === 'closed') return;
    this.sendControlFrame(encodeGoAway(0, code, text));
    this.#close(new TunnelError('TUNNEL_REFUSED', text), true);
  }

  /** `gently`: what is queued as control is still sent. */
  #close(cause: TunnelError, gently: boolean): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    this.usable = false;
    this.#stopLazyTimer?.();
    this.#quietWatch.stop();
    const last = this.#outbox.close();
    if (gently) this.#carrier.end(last);
    else this.#carrier.destroy();
    const paths = [...this.#paths.values()];
    this.#paths.clear();
    this.#lazy.clear();
    for (const path of paths) {
      this.#leaveQueues(path);
      path.handlePathLost(cause);
    }
    this.handshake.handleClose(cause);
    this.#owner.handleClose(this, cause);
  }

  /** The streams and relays that this session carries. */
  paths(): PathEnd[] {
    return [...this.#paths.values()];
  }

  /** Called about once a second: sends PING in time, and ends a session that is silent. */
  tick(now: number): void {
    if (this.#phase !== 'up') return;
    const deadMs = this.#keepalive.deadFor(now);
    if (deadMs !== null)
      this.destroy(new TunnelError('TUNNEL_DEAD', `nothing was heard for ${Math.round(deadMs)} ms`));
    else if (this.#keepalive.due(now)) this.#sendPing();
  }

  // ---- what streams and relays ask

  /** Whether one more stream can be taken: a number, a place and a floor of window. Takes the floor. */
  reserve(): boolean {
    if (!this.usable || this.#paths.size >= this.#limits.streamsPerSessionMax) return false;
    if (this.#nextId > streamNumberMax) {
      this.goAway(GoAwayCode.StreamsUsedUp, 'stream numbers are used up');
      return false;
    }
    return this.receiveBudget.take(this.#limits.floorBytes);
  }

  /** Gives a number to a path that begins here. */
  attach(path: PathEnd): number {
    const id = this.#nextId;
    this.#nextId += 2;
    this.#paths.set(id, path);
    this.#quietWatch.begin();
    return id;
  }

  /** Takes a path under the number that the peer gave it. */
  adopt(id: number, path: PathEnd): void {
    this.#paths.set(id, path);
  }

  /** Lets a path go; what still comes for it is late. */
  detach(id: number): void {
    const path = this.#paths.get(id);
    if (path === undefined) return;
    this.#paths.delete(id);
    this.#leaveQueues(path);
    this.#endWhenIdle();
  }

  /** The peer went away without taking our streams above `lastStream`: they look for another path. */
  dropAbove(lastStream: number): void {
    const cause = new TunnelError('TUNNEL_CLOSED', 'the peer went away without taking the stream');
    for (const [id, path] of this.#paths) {
      if ((id & 1) !== (this.#nextId & 1) || id <= lastStream) continue;
      this.#paths.delete(id);
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
    this.#outbox.sendControl(frame);
    const waiting = this.#outbox.controlBytes;
    if (waiting <= this.#limits.controlBytesMax) return;
    this.destroy(
      new TunnelError(
        'TUNNEL_PEER_NOT_READING',
        `${waiting} bytes of control frames wait for a peer that does not read`,
      ),
    );
  }

  /** Little was delivered: the acknowledgement waits for more, but not long. */
  acknowledgeLater(path: PathEnd): void {
    this.#lazy.add(path);
    this.#stopLazyTimer ??= this.#clock.after(this.#limits.acknowledgeDelayMs, () => {
      this.#stopLazyTimer = null;
      const paths = [...this.#lazy];
      this.#lazy.clear();
      for (const lazy of paths) lazy.acknowledge();
    });
  }

  #leaveQueues(path: PathEnd): void {
    this.#outbox.leave(path);
    this.#lazy.delete(path);
  }

  #sendPing(): void {
    this.sendControlFrame(this.#keepalive.ping(this.#clock.now()));
  }

  /**
   * What the peer has not taken yet looks for another way. Of what is open one path goes ahead, and the others follow when
   * it was answered elsewhere while nothing has come here: a peer that stands still for a moment answers nowhere, and moves
   * nothing.
   */
  #tellQuiet(): void {
    for (const path of this.paths()) path.handleQuiet();
    const follow = (): void => {
      if (this.#phase === 'up' && this.quiet) for (const path of this.paths()) path.leaveQuiet(() => {});
    };
    this.paths().some((path) => path.leaveQuiet(follow));
  }

  #endWhenIdle(): void {
    if (this.#goingAway && this.#paths.size === 0) this.#close(closedError(), true);
  }

  // ---- what comes in

  #handleBytes(chunk: Buffer, slab: Slab | null): void {
    if (this.#phase === 'closed') return;
    this.#keepalive.heard(this.#clock.now());
    if (this.#flight.handleReceived(chunk.length)) this.#outbox.flushSoon();
    try {
      this.#decoder.push(chunk, slab);
    } catch (error) {
      if (!(error instanceof TunnelError)) throw error;
      this.#breakOff(error);
    }
  }

  handleData(stream: number, piece: Buffer, slab: Slab | null): void {
    if (this.#phase === 'closed') return;
    const path = this.#paths.get(stream);
    if (path === undefined) this.#checkLate(stream);
    else path.handleData(piece, slab);
  }

  handleFrame(type: number, stream: number, payload: Buffer): void {
    if (this.#phase === 'closed') return;
    if (this.#phase === 'handshake') this.handshake.handleFrame(type, stream, payload);
    else if (stream === 0) this.#handleOwn(type, payload);
    else if (type === FrameType.Open || type === FrameType.Resume) this.#handleNew(type, stream, payload);
    else {
      const path = this.#paths.get(stream);
      if (path === undefined) this.#checkLate(stream);
      else path.handleFrame(type, payload);
    }
  }

  #handleOwn(type: number, payload: Buffer): void {
    switch (type) {
      case FrameType.Ping:
        this.#outbox.sendPong(encodeFrame(FrameType.Pong, 0, payload));
        break;
      case FrameType.Pong:
        this.#keepalive.handlePong(payload, this.#clock.now());
        break;
      case FrameType.GoAway: {
        const { lastStream, text } = decodeGoAway(payload);
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
    if ((stream & 1) === (this.#nextId & 1) || stream <= this.#peerHighest)
      throw brokenProtocol(`stream ${stream} is not the peer's to open`);
    this.#peerHighest = stream;
    if (this.#goingAway) {
      this.sendControlFrame(encodeReset(stream, ResetCode.ShuttingDown, 'this end is going away'));
      return;
    }
    const full = this.#paths.size >= this.#limits.streamsPerSessionMax;
    if (type === FrameType.Open) {
      const open = decodeOpen(payload);
      // A repeated OPEN must not hear that nothing reached the resource: its first may have.
      if (full) this.#refuseFull(stream, open.attempt > 1 ? ResetCode.PathLost : ResetCode.Limit);
      else this.#owner.handleOpen(this, stream, open);
    } else {
      const resume = decodeResume(payload);
      if (full) this.#refuseFull(stream, ResetCode.PathLost);
      else this.#owner.handleResume(this, stream, resume);
    }
  }

  #refuseFull(stream: number, code: ResetCode): void {
    this.sendControlFrame(encodeReset(stream, code, `at most ${this.#limits.streamsPerSessionMax} streams`));
  }

  #checkLate(stream: number): void {
    const own = (stream & 1) === (this.#nextId & 1);
    if (stream === 0 || (own ? stream >= this.#nextId : stream > this.#peerHighest))
      throw brokenProtocol(`stream ${stream} was never opened`);
  }

  #breakOff(error: TunnelError): void {
    this.sendControlFrame(encodeGoAway(this.#peerHighest, GoAwayCode.Protocol, error.message));
    this.#close(error, true);
  }
}

function closedError(): TunnelError {
  return new TunnelError('TUNNEL_CLOSED', 'the session is closed');
}
