/**
 * One process's end of the tunnel: all its sessions, and all streams whose end is here, whichever session
 * carries them now. A stream that loses its session is moved to another of the same peer, or waits.
 *
 *      Endpoint ─┬─ sessions by peer (scope/id) ── Session ── Carrier
 *                ├─ streams by key ─────────────── Stream
 *                └─ tombstones by key: how streams ended, for 90 s
 */
import type { Budget } from '../memory/budget.ts';
import type { Carrier } from '../carrier/carrier.ts';
import { systemClock, type Clock } from '../clock.ts';
import { GoAwayCode, ResetCode, TunnelError } from '../error.ts';
import {
  encodeAnswer,
  encodeCredit,
  encodeReset,
  FrameType,
  type Open,
  type Resume,
} from '../frame/frame.ts';
import { defaultLimits, type Limits } from '../limit.ts';
import { ShortTraffic } from '../carrier/flight.ts';
import { Multimap } from '../memory/multimap.ts';
import { SlotMap } from '../memory/slot-map.ts';
import { SlotMultimap } from '../memory/slot-multimap.ts';
import type { EndpointOptions } from './endpoint-options.ts';
import type { AcceptHandshake, ConnectHandshake } from '../session/handshake.ts';
import { readOpenBody, scopeOf, type OpenBody } from './open-body.ts';
import { gatewayFor, type Peer } from '../session/peer.ts';
import { type RelayHost, RelaySide, startRelay } from './relay.ts';
import { ScopeRoom } from '../memory/scope-room.ts';
import { ScopeBudgets } from '../memory/scope-budgets.ts';
import { Session } from '../session/session.ts';
import type { SessionOwner } from '../session/session-owner.ts';
import { ReadingTurns } from '../session/reading-turns.ts';
import { isBetterSession } from '../session/session-choice.ts';
import { newStreamKey } from '../stream/stream-key.ts';
import { Stream } from '../stream/stream.ts';
import type { ProcessName } from '../stream/stream-end.ts';
import type { StreamHost } from '../stream/stream-host.ts';
import { TombstoneTable, type Tombstone } from '../stream/tombstone.ts';

/** See the head of this file. */
export class Endpoint implements SessionOwner, StreamHost {
  readonly self: ProcessName;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly #sendBudgets: ScopeBudgets;
  readonly #receiveBudgets: ScopeBudgets;
  readonly #shortTraffic = new ShortTraffic();
  readonly #readingTurns: ReadingTurns;
  readonly #controlRoom: ScopeRoom;
  readonly #options: EndpointOptions;
  readonly #sessions = new Set<Session>();
  /** Those whose handshake is not over. */
  readonly #pending = new Set<Session>();
  readonly #byPeer = new Multimap<Session>();
  readonly #streams = new SlotMap<string, Stream>();
  /** The streams whose other end is one process, by scope and ID. */
  readonly #streamsByPeer = new SlotMultimap<string, Stream>();
  /** Those that have no path, by scope. */
  readonly #waiting = new Multimap<Stream>();
  readonly #tombstones: TombstoneTable;
  readonly #stopTicking: () => void;
  readonly #tickMs: number;
  #tickedAt: number;
  readonly #relayHost: RelayHost;
  #relayedDropped = 0;

  constructor(options: EndpointOptions) {
    this.#options = options;
    this.self = options.self;
    this.limits = { ...defaultLimits, ...options.limits };
    this.clock = options.clock ?? systemClock;
    this.#readingTurns = new ReadingTurns(this.clock);
    this.#controlRoom = new ScopeRoom(this.limits.controlBytesPerProcessMax);
    const { sendBytesPerProcessMax, sendBytesPerGatewayMax } = this.limits;
    this.#sendBudgets = new ScopeBudgets(sendBytesPerProcessMax, sendBytesPerGatewayMax);
    const { receiveBytesPerProcessMax, receiveBytesPerGatewayMax } = this.limits;
    this.#receiveBudgets = new ScopeBudgets(receiveBytesPerProcessMax, receiveBytesPerGatewayMax);
    const onDropped = (count: number): void => void (this.#relayedDropped += count);
    this.#relayHost = { limits: this.limits, clock: this.clock, onDropped };
    this.#tombstones = new TombstoneTable(this.limits);
    this.#tickMs = Math.min(1_000, this.limits.keepaliveIntervalMs);
    this.#tickedAt = this.clock.now();
    this.#stopTicking = this.clock.every(this.#tickMs, () => this.#tick());
  }

  get sessions(): ReadonlySet<Session> {
    return this.#sessions;
  }

  /** The streams whose end is here. */
  get streams(): Pick<SlotMap<string, Stream>, 'size' | 'values'> {
    return this.#streams;
  }

  /** Bytes promised to senders, and bytes kept for peers, in this process. */
  get memory(): { receiveReserved: number; sendReserved: number } {
    return { receiveReserved: this.#receiveBudgets.all.used, sendReserved: this.#sendBudgets.all.used };
  }

  /** Datagrams of relayed streams that found no room, since the start. */
  get relayedDropped(): number {
    return this.#relayedDropped;
  }

  /** Takes a carrier that a peer dialled. Resolves when the session is up; rejects with `TunnelError`. */
  async accept(carrier: Carrier, terms: AcceptHandshake): Promise<Session> {
    const session = this.#makeSession(carrier, false);
    await session.handshake.accept(terms, (peer) => this.#establish(session, peer));
    return session;
  }

  /** Takes a carrier that was dialled here. Resolves when the session is up; rejects with `TunnelError`. */
  async connect(carrier: Carrier, terms: ConnectHandshake): Promise<Session> {
    const session = this.#makeSession(carrier, true);
    await session.handshake.connect(terms, (peer) => this.#establish(session, peer));
    return session;
  }

  /**
   * Opens a stream to the session's peer, or, over a relay, to another process behind it; over a link between nodes
   * `scope` says whose it is. Throws `TUNNEL_STREAM_LIMIT`, or `TUNNEL_CONTROL_TOO_LONG` for metadata of more than 16 KiB.
   */
  open(
    session: Session,
    metadata: unknown,
    to: ProcessName = session.peer,
    scope: string = session.peer.scope,
  ): Stream {
    if (!session.reserve(scope))
      throw new TunnelError('TUNNEL_STREAM_LIMIT', 'the tunnel takes no more streams');
    const start = {
      key: newStreamKey(),
      metadata,
      scope,
      peer: { id: to.id, bootId: to.bootId },
    };
    const stream = Stream.open(this, session, start);
    this.#keep(stream);
    return stream;
  }

  /** Moves every stream of a session to another, before it is closed or drained; it takes none any more. Those that have nowhere to go stay. */
  moveStreams(session: Session): void {
    session.usable = false;
    for (const stream of this.streamsOver(session)) stream.move();
  }

  /** The streams whose end is here and whose path a session is. */
  *streamsOver(session: Session): Iterable<Stream> {
    for (const path of session.paths()) if (path instanceof Stream) yield path;
  }

  /** Moves the streams with a process, which go over relays, to a session with it that has come up. */
  moveOffRelays(scope: string, id: string): void {
    for (const stream of this.#streamsByPeer.get(peerKey(scope, id))) stream.moveOffRelay();
  }

  /** Ends what this process relays over a session, at both ends: the session must not serve it any more, and no other may. */
  resetRelayed(session: Session, code: ResetCode, text: string): void {
    for (const path of session.paths()) if (path instanceof RelaySide) path.resetBoth(code, text);
  }

  /** Streams that wait for a path try again, all or those of one scope: a way has come up that is no session to their peer. */
  seekPaths(scope?: string): void {
    for (const stream of scope === undefined ? this.#waiting.values() : this.#waiting.get(scope))
      stream.seekPath();
  }

  /** How many streams that end here have their other end at this process. */
  streamCountOf(scope: string, id: string): number {
    return this.#streamsByPeer.count(peerKey(scope, id));
  }

  /** Resets every stream that `which` picks. */
  resetStreams(which: (stream: Stream) => boolean, code: ResetCode, text: string): number {
    const picked = [...this.#streams.values()].filter(which);
    for (const stream of picked) stream.reset(code, text);
    return picked.length;
  }

  /** Resets all streams, closes all sessions and stops the clock. */
  close(): void {
    this.#stopTicking();
    this.resetStreams(() => true, ResetCode.ShuttingDown, 'this process is stopping');
    // Gently: who does not hear of the resets waits a minute for streams that nobody has any more.
    for (const session of this.#sessions) session.end(GoAwayCode.ShuttingDown, 'this process is stopping');
    for (const session of this.#pending)
      session.destroy(new TunnelError('TUNNEL_CLOSED', 'this process is stopping'));
  }

  // ---- for streams

  sendBudgetOf(scope: string): Budget {
    return this.#sendBudgets.of(scope);
  }

  findSession(stream: Stream): Session | null {
    let best: Session | null = null;
    for (const session of this.#byPeer.get(peerKey(stream.scope, stream.peer.id))) {
      if (!session.usable || session.peer.bootId !== stream.peer.bootId) continue;
      if (isBetterSession(session, best)) best = session;
    }
    if (best?.quiet === false) return best;
    return this.#options.findDetour?.(stream) ?? best;
  }

  waiting(stream: Stream): void {
    this.#waiting.add(stream.scope, stream);
  }

  forget(stream: Stream, tombstone: Tombstone): void {
    this.#streams.delete(stream.key);
    this.#sendBudgets.leave(stream.scope);
    this.#receiveBudgets.leave(stream.scope);
    this.#streamsByPeer.delete(peerKey(stream.scope, stream.peer.id), stream.key);
    this.#waiting.delete(stream.scope, stream);
    this.#tombstones.add(stream.scope, stream.key, toldOf(tombstone), this.clock.now());
  }

  // ---- for sessions

  handleOpen(session: Session, id: number, open: Open): void {
    const body = readOpenBody(session.peer, open);
    if (typeof body === 'string') return refuse(session, id, ResetCode.Protocol, `OPEN ${body}`);
    const scope = scopeOf(session.peer, body);
    // A repeated OPEN must not hear that nothing reached the resource: its first may have.
    if (session.isFullFor(scope))
      return refuse(session, id, open.attempt > 1 ? ResetCode.PathLost : ResetCode.Limit, noPlace);
    const known = this.#streams.get(open.key);
    if (known !== undefined) {
      if (mayMove(known, scope, body.from)) known.handleOpenAgain(session, id, open);
      else refuse(session, id, ResetCode.UnknownStream, 'there is no such stream');
      return;
    }
    const ended = this.#tombstones.get(scope, open.key, this.clock.now());
    if (ended !== null) {
      return ended.kind === 'reset'
        ? refuse(session, id, ended.code, ended.text)
        : refuse(session, id, ResetCode.UnknownStream, 'the stream has ended');
    }
    if (!this.#isSelf(body.to)) return this.#relay(session, id, open, body, scope);
    if (this.#options.onOpen === undefined)
      return refuse(session, id, ResetCode.NotSupported, 'this end takes no streams');
    if (!session.receiveBudget.take(this.limits.floorBytes))
      return refuse(session, id, ResetCode.Limit, 'no window is left to give');
    const start = { key: open.key, metadata: body.meta, scope, peer: body.from };
    const stream = Stream.offered(this, session, start, id, open);
    session.adopt(id, stream);
    this.#keep(stream);
    this.#options.onOpen(stream, session);
  }

  handleResume(session: Session, id: number, resume: Resume): void {
    const body = readOpenBody(session.peer, resume);
    if (typeof body === 'string') return refuse(session, id, ResetCode.Protocol, `RESUME ${body}`);
    const scope = scopeOf(session.peer, body);
    if (session.isFullFor(scope)) return refuse(session, id, ResetCode.PathLost, noPlace);
    const stream = this.#streams.get(resume.key);
    if (stream !== undefined) {
      if (mayMove(stream, scope, body.from)) stream.handleResume(session, id, resume);
      else refuse(session, id, ResetCode.UnknownStream, 'there is no such stream');
      return;
    }
    if (!this.#isSelf(body.to) && body.to.id !== this.self.id)
      return this.#relay(session, id, resume, body, scope);
    const ended = this.#tombstones.get(scope, resume.key, this.clock.now());
    if (ended === null) return refuse(session, id, ResetCode.UnknownStream, 'there is no such stream');
    if (ended.kind === 'reset') return refuse(session, id, ended.code, ended.text);
    session.sendControlFrame(
      encodeAnswer(FrameType.Resumed, id, {
        attempt: resume.attempt,
        received: ended.received,
        limit: ended.received,
      }),
    );
    session.sendControlFrame(encodeCredit(id, ended.received, ended.received));
    session.sendControlFrame(encodeReset(id, ResetCode.PathLost, 'the stream has ended in order'));
  }

  handleControl(session: Session, body: unknown): void {
    this.#options.onControl?.(session, body);
  }

  handleControlLost(session: Session, error: TunnelError): void {
    this.#options.onControlLost?.(session, error);
  }

  handleGoAway(session: Session, lastStream: number, text: string): void {
    this.#options.onGoAway?.(session, text);
    session.dropAbove(lastStream);
  }

  handleClose(session: Session, cause: TunnelError): void {
    this.#pending.delete(session);
    if (!this.#sessions.delete(session)) return;
    this.#receiveBudgets.leave(session.peer.scope);
    this.#byPeer.delete(peerKey(session.peer.scope, session.peer.id), session);
    this.#options.onSessionClose?.(session, cause);
  }

  // ---- inside

  #makeSession(carrier: Carrier, dialer: boolean): Session {
    const session = new Session({
      carrier,
      clock: this.clock,
      limits: this.limits,
      dialer,
      receiveBudgetOf: (scope) => this.#receiveBudgets.of(scope),
      shortTraffic: this.#shortTraffic,
      readingTurns: this.#readingTurns,
      controlRoom: this.#controlRoom,
      owner: this,
    });
    // A carrier may be at its end before it begins.
    if (!session.closed) this.#pending.add(session);
    return session;
  }

  #establish(session: Session, peer: Peer): void {
    session.establish(peer);
    this.#pending.delete(session);
    this.#sessions.add(session);
    this.#receiveBudgets.enter(peer.scope);
    this.#byPeer.add(peerKey(peer.scope, peer.id), session);
    this.#endFormerBoot(peer);
    for (const stream of this.#waiting.get(peer.scope)) stream.seekPath();
  }

  /** Another boot of a process has taken its name: the former's streams have lost their other end. */
  #endFormerBoot(peer: Peer): void {
    for (const stream of this.#streamsByPeer.get(peerKey(peer.scope, peer.id))) {
      if (stream.peer.bootId !== peer.bootId)
        stream.reset(ResetCode.Restarted, `${peer.id} was started anew`);
    }
  }

  #keep(stream: Stream): void {
    this.#streams.set(stream.key, stream);
    this.#sendBudgets.enter(stream.scope);
    // It may outlive its session, and holds some of the gateway's until it ends.
    this.#receiveBudgets.enter(stream.scope);
    this.#streamsByPeer.add(peerKey(stream.scope, stream.peer.id), stream.key, stream);
  }

  #isSelf(name: ProcessName): boolean {
    return name.id === this.self.id && name.bootId === this.self.bootId;
  }

  #relay(session: Session, id: number, frame: Open | Resume, body: OpenBody, scope: string): void {
    // An OPEN that is refused here for the first time went nowhere; what is repeated or resumed may be under way.
    const noWay = 'received' in frame || frame.attempt > 1 ? ResetCode.PathLost : ResetCode.NotRelayed;
    const target =
      body.relayed === true
        ? null
        : (this.#options.relayTo?.(session, { scope, to: body.to, metadata: body.meta }) ?? null);
    if (target === 'restarted')
      return refuse(session, id, ResetCode.Restarted, `${body.to.id} was started anew`);
    if (target === null || !target.usable)
      return refuse(session, id, noWay, 'no way from here to the other end');
    const { gateway: _, ...rest } = body;
    const other = 'received' in frame ? null : (this.#options.onRelay?.(body.meta, body.to) ?? null);
    const meta = other === null ? {} : { meta: other.metadata };
    const passedOn = { ...rest, ...meta, ...gatewayFor(target.peer, scope), relayed: true };
    const opening = { ...frame, body: passedOn };
    startRelay(this.#relayHost, { session, id, scope }, target, opening, noWay, other?.onAnswer ?? null);
  }

  #tick(): void {
    const now = this.clock.now();
    const lateMs = now - this.#tickedAt - this.#tickMs;
    this.#tickedAt = now;
    // What came while this process stood still is read only after this.
    const deafMs = lateMs >= this.#tickMs ? lateMs : 0;
    for (const session of this.#sessions) session.tick(now, deafMs);
    for (const stream of this.#waiting.values()) this.#tickWaiting(stream, now);
    this.#tombstones.sweep(now);
  }

  #tickWaiting(stream: Stream, now: number): void {
    if (stream.pathLostAt === null) this.#waiting.delete(stream.scope, stream);
    else if (!stream.giveUp(now)) stream.seekPath();
  }
}

const noPlace = 'the session takes no more streams of this gateway';

function peerKey(scope: string, id: string): string {
  return `${scope}/${id}`;
}

/** What the other end is told later. That no path came in time it would take for the end of the path alone, and ask again. */
function toldOf(tombstone: Tombstone): Tombstone {
  if (tombstone.kind !== 'reset' || tombstone.code !== ResetCode.PathLost) return tombstone;
  return { ...tombstone, code: ResetCode.UnknownStream };
}

/**
 * RESUME and a repeated OPEN are taken from the process at the other end, of the same gateway. Its own session has proved
 * that it is; a node of the cluster vouches for it, as one proved it to that node.
 */
function mayMove({ scope, peer }: Stream, ofScope: string, from: ProcessName): boolean {
  return scope === ofScope && peer.id === from.id && peer.bootId === from.bootId;
}

function refuse(session: Session, id: number, code: number, text: string): void {
  session.sendControlFrame(encodeReset(id, code, text));
}
