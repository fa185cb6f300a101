/**
 * One boot of one node as others see it: its set of tunnels at a sequence. Pure: it says when the set must be asked for,
 * and whoever owns it asks.
 *
 *             notice, next in sequence: apply         snapshot: take it, apply what was held above it
 *                  ┌──────┐                                ┌────────── held without a gap ──────────┐
 *                  ▼      │   gap, or other digest         │                                        │
 *      (empty) ► current ─┴──────────────────────► awaiting a snapshot ◄── held with a gap: ask again │
 *                  ▲                                notices are held                                 │
 *                  └────────────────────────────────────────┴─────────────────────────────────────────┘
 *
 * Anybody on the bus may announce in the node's name, but the snapshot is its own word, and made after what it was asked
 * for. So what was announced before that and is above it the node never said: it is dropped, and the node's next beat
 * counts again. What was applied because it came next in sequence is found by the node's beats, which stay below it.
 */
import { isDeepStrictEqual } from 'node:util';
import type { NodeBeat, NodeSnapshot, TunnelNotice, TunnelPresence } from '@postern/contracts';
import type { OwnLists } from './own-lists.ts';
import { TunnelDigest } from './tunnel-digest.ts';

/** Most tunnels of one node that are kept. */
export const tunnelsPerNodeMax = 100_000;
/** Most announcements that are held while a snapshot is awaited; what is lost of more is a gap, so the set is asked for again. */
export const heldMax = 10_000;
/** And most characters of them as JSON, since one with a client’s own list may have 64 Ki. */
export const heldCharactersMax = 16 * 1024 * 1024;
/** By bus and by link a beat may come later than what was announced after it; so many in a row do not. */
export const lateBeatsMax = 4;

interface Held {
  readonly notice: TunnelNotice;
  /** Of it as JSON. */
  readonly characters: number;
}

/** Called at each change of the set; `now` is null for a tunnel that went down, `before` for one that came up. */
export type TunnelChange = (now: TunnelPresence | null, before: TunnelPresence | null) => void;

/** Who says something. */
export type Origin = Pick<TunnelNotice, 'node' | 'bootId' | 'startedAt' | 'sequence'>;

/** Owned by the presence table. */
export class PresenceNode {
  readonly name: string;
  readonly bootId: string;
  readonly startedAt: string;
  /** When it was last heard, by the table's clock. */
  heardAt: number;
  /** Its relay link broke: it is tried last, whatever the bus says. */
  isSuspect = false;
  #beat: NodeBeat | null = null;
  /** No beat below it is taken. */
  #beatSequence = 0;
  #sequence = 0;
  /** Beats in a row that were below what was announced. */
  #lateBeats = 0;
  /** They were so many that the set was asked for. */
  #isDoubted = false;
  #isAwaiting = false;
  #isFull = false;
  /** So many of those that are held were there when the set was asked for. */
  #heldBefore = 0;
  readonly #tunnels = new Map<string, TunnelPresence>();
  readonly #held = new Map<number, Held>();
  #heldCharacters = 0;
  readonly #digest = new TunnelDigest();
  readonly #lists: OwnLists;
  readonly #onChange: TunnelChange;

  constructor(
    { node, bootId, startedAt }: Origin,
    now: number,
    { lists, onChange }: { lists: OwnLists; onChange: TunnelChange },
  ) {
    this.name = node;
    this.bootId = bootId;
    this.startedAt = startedAt;
    this.heardAt = now;
    this.#lists = lists;
    this.#onChange = onChange;
  }

  get beat(): NodeBeat | null {
    return this.#beat;
  }

  get tunnels(): ReadonlyMap<string, TunnelPresence> {
    return this.#tunnels;
  }

  /** Whether it had more tunnels than are kept here when its set was last asked for. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** Returns whether the set must be asked for now. */
  handleTunnel(notice: TunnelNotice): boolean {
    if (notice.sequence <= this.#sequence) return false;
    if (!this.#isAwaiting && notice.sequence === this.#sequence + 1) {
      this.#apply(notice);
      return false;
    }
    this.#hold(notice);
    return this.#await();
  }

  /** Returns whether the set must be asked for now. */
  handleBeat(beat: NodeBeat): boolean {
    const isLate = beat.sequence < Math.max(this.#beatSequence, this.#sequence);
    this.#lateBeats = isLate ? this.#lateBeats + 1 : 0;
    if (this.#lateBeats >= lateBeatsMax) {
      this.#isDoubted = true;
      return this.#await();
    }
    if (beat.sequence < this.#beatSequence) return false;
    this.#beat = beat;
    this.#beatSequence = beat.sequence;
    if (beat.sequence < this.#sequence) return false;
    const isTooMany = beat.tunnels > tunnelsPerNodeMax;
    const isSame = beat.sequence === this.#sequence && (isTooMany || beat.digest === this.#digest.text);
    return !isSame && this.#await();
  }

  /** Takes the set that was asked for. Returns whether it must be asked for again. */
  handleSnapshot({ sequence, tunnels }: NodeSnapshot): boolean {
    // One that is below what was announced comes late, or is the node's word against that.
    const isWanted = this.#isDoubted || sequence === this.#sequence;
    const isNews = sequence > this.#sequence || (this.#isAwaiting && isWanted);
    this.#isAwaiting = false;
    this.#isDoubted = false;
    this.#lateBeats = 0;
    this.#beatSequence = Math.min(this.#beatSequence, sequence);
    for (const before of [...this.#held.keys()].slice(0, this.#heldBefore)) this.#letGoOf(before);
    if (isNews) this.#take(sequence, tunnels);
    for (const next of [...this.#held.keys()].sort((a, b) => a - b)) {
      if (next > this.#sequence + 1) return this.#await();
      const notice = this.#letGoOf(next);
      if (notice !== undefined && next === this.#sequence + 1) this.#apply(notice);
    }
    return false;
  }

  /** The set that was asked for does not come; the next beat leads to another question. */
  abandonSnapshot(): void {
    this.#isAwaiting = false;
    this.#isDoubted = false;
    this.#held.clear();
    this.#heldCharacters = 0;
  }

  /** Its tunnels are gone with it, and their digest is asked for no more. */
  clear(): void {
    for (const tunnel of this.#tunnels.values()) this.#letGo(tunnel);
    this.#tunnels.clear();
  }

  /** The same comes by the bus and by a link. */
  #hold(notice: TunnelNotice): void {
    const characters = JSON.stringify(notice).length;
    if (this.#held.has(notice.sequence) || this.#held.size >= heldMax) return;
    if (this.#heldCharacters + characters > heldCharactersMax) return;
    this.#held.set(notice.sequence, { notice, characters });
    this.#heldCharacters += characters;
  }

  #letGoOf(sequence: number): TunnelNotice | undefined {
    const held = this.#held.get(sequence);
    this.#held.delete(sequence);
    this.#heldCharacters -= held?.characters ?? 0;
    return held?.notice;
  }

  #await(): boolean {
    if (this.#isAwaiting) return false;
    this.#isAwaiting = true;
    this.#heldBefore = this.#held.size;
    return true;
  }

  #take(sequence: number, tunnels: readonly TunnelPresence[]): void {
    const ids = new Set(tunnels.map(({ tunnelId }) => tunnelId));
    for (const id of this.#tunnels.keys()) if (!ids.has(id)) this.#remove(id);
    this.#isFull = false;
    for (const tunnel of tunnels)
      if (!isDeepStrictEqual(this.#tunnels.get(tunnel.tunnelId), tunnel)) this.#set(tunnel);
    this.#sequence = sequence;
  }

  #apply({ sequence, up, down }: TunnelNotice): void {
    if (down !== undefined) this.#remove(down.tunnelId);
    if (up !== undefined) this.#set(up);
    this.#sequence = sequence;
  }

  #set(tunnel: TunnelPresence): void {
    const before = this.#tunnels.get(tunnel.tunnelId) ?? null;
    if (before === null && this.#tunnels.size >= tunnelsPerNodeMax) {
      this.#isFull = true;
      return;
    }
    if (before === null) this.#digest.toggle(tunnel.tunnelId);
    const now = { ...tunnel, ownRules: this.#lists.hold(tunnel.gatewayId, tunnel.ownRules) };
    if (before !== null) this.#lists.release(before.gatewayId, before.ownRules);
    this.#tunnels.set(tunnel.tunnelId, now);
    this.#onChange(now, before);
  }

  #remove(id: string): void {
    const before = this.#tunnels.get(id);
    if (before === undefined) return;
    this.#tunnels.delete(id);
    this.#digest.toggle(id);
    this.#letGo(before);
  }

  #letGo(tunnel: TunnelPresence): void {
    this.#lists.release(tunnel.gatewayId, tunnel.ownRules);
    this.#onChange(null, tunnel);
  }
}
