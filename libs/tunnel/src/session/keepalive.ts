/**
 * Whether the peer of a session is still there, and how far away it is: PING in time, the age of what was last heard, the
 * round trip of each PING (docs/PROTOCOL.md, "Keepalive").
 */
import { encodeFrame, FrameType } from '../frame/frame.ts';
import type { Limits } from '../limit.ts';
import { ShortestTrip } from './shortest-trip.ts';

/** So many PINGs follow each other each second when a session is new: the first round trips are those of programs that warm up. */
const firstPings = 5;
/** A longer round trip is not believed. */
const roundTripMsMax = 600_000;

/** One per session. All times are those of the session's clock, in ms. */
export class Keepalive {
  roundTripMs: number | null = null;
  readonly #limits: Limits;
  readonly #shortest = new ShortestTrip();
  #heardAt: number;
  /** For so long of the time since then nobody has listened. */
  #deafMs = 0;
  #pingedAt: number;
  /** What the session had carried then. */
  #carriedAt = 0;
  /** When the first PING went out that nothing has followed; null when something has. */
  #askedAt: number | null = null;
  #pings = 0;

  constructor(limits: Limits, now: number) {
    this.#limits = limits;
    this.#heardAt = this.#pingedAt = now;
  }

  /** The shortest of late, in ms. */
  get roundTripMsMin(): number | null {
    return this.#shortest.ms;
  }

  /** Something came from the peer. */
  heard(now: number): void {
    this.#heardAt = now;
    this.#deafMs = 0;
    this.#askedAt = null;
  }

  /** For so long nobody has listened here: no peer is dead by that. */
  discount(deafMs: number, now: number): void {
    this.#deafMs = Math.min(now - this.#heardAt, this.#deafMs + deafMs);
  }

  /** When something came last. */
  get heardAt(): number {
    return this.#heardAt;
  }

  /** Whether a PING was sent that nothing has followed. */
  get isAsked(): boolean {
    return this.#askedAt !== null;
  }

  /** Whether the peer owes an answer for longer than one should take. */
  isQuiet(now: number): boolean {
    const inMs = this.quietInMs(now);
    return inMs !== null && inMs <= 0;
  }

  /** In how many ms it will be quiet if nothing comes; null where it was not asked. */
  quietInMs(now: number): number | null {
    const longestMs = Math.max(this.#limits.quietAfterMs, 2 * (this.roundTripMs ?? 0));
    return this.#askedAt === null ? null : this.#askedAt + longestMs - now;
  }

  /** For how long nothing came, where that is too long; else null. */
  deadFor(now: number): number | null {
    const silentMs = now - this.#heardAt - this.#deafMs;
    return silentMs >= this.#limits.deadAfterMs ? silentMs : null;
  }

  /** Whether it is time for a PING. */
  due(now: number): boolean {
    return this.#pings < firstPings || now - this.#pingedAt >= this.#limits.keepaliveIntervalMs;
  }

  /** The PING to be sent now. `carried`: bytes that the session has sent and received. */
  ping(now: number, carried: number): Buffer {
    this.#pings += 1;
    this.#pingedAt = now;
    this.#carriedAt = carried;
    this.#askedAt ??= now;
    const sentAt = Buffer.alloc(8);
    sentAt.writeDoubleBE(now);
    return encodeFrame(FrameType.Ping, 0, sentAt);
  }

  /** The peer's PONG, whose payload of eight bytes is that of a PING; what cannot have been is passed over. */
  handlePong(payload: Buffer, now: number, carried: number): void {
    const sentAt = payload.readDoubleBE(0);
    const roundTripMs = now - sentAt;
    if (!(roundTripMs >= 0 && roundTripMs < roundTripMsMax)) return;
    this.roundTripMs = roundTripMs;
    const beside = sentAt === this.#pingedAt ? carried - this.#carriedAt : Number.POSITIVE_INFINITY;
    this.#shortest.add(roundTripMs, beside, now);
  }
}
