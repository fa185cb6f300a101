/**
 * What the first call gave: two tickets and the nodes that they open. Lives are counted on this machine's own steady
 * clock from the moment that the answer came, so a client whose wall clock is wrong connects all the same.
 *
 * The reserve ticket is handed out only where the caller says that the first call cannot be answered.
 */
import { type NodeAddress, nodesNamedMax } from '@postern/contracts';

/** The answer to a first call, with lives in place of times. */
export interface Grant {
  readonly ticket: string;
  readonly ticketLifeMs: number;
  readonly reserveTicket: string;
  readonly reserveLifeMs: number;
  readonly nodes: readonly NodeAddress[];
}

/** A ticket is not used in the last seconds of its life: it would expire on the way. */
const ticketMarginMs = 5000;

/** How long the ticket is used on without another first call once one was not answered. */
const keptMs = 30_000;

/** Keeps the last grant and says which ticket may be used now. */
export class Wallet {
  #grant: Grant | null = null;
  #nodes: readonly NodeAddress[] = [];
  #takenAt = 0;
  #ticketSpent = false;
  #ticketRefused = false;
  #reserveSpent = false;
  #keptUntil = 0;

  /** Takes a new grant in place of the former. */
  take(grant: Grant, now: number): void {
    this.#grant = grant;
    this.#nodes = grant.nodes;
    this.#takenAt = now;
    this.#ticketSpent = false;
    this.#ticketRefused = false;
    this.#reserveSpent = false;
  }

  /** The nodes that there are, by the last grant or by what a node has told since. */
  get nodes(): readonly NodeAddress[] {
    return this.#nodes;
  }

  /** The fleet is another one; of more than `nodesNamedMax` those that come first count. */
  takeNodes(nodes: readonly NodeAddress[]): void {
    this.#nodes = nodes.slice(0, nodesNamedMax);
  }

  /** The age of the last grant; infinite when there is none. */
  ageMs(now: number): number {
    return this.#grant === null ? Infinity : now - this.#takenAt;
  }

  /** The session ticket, where it is still good. */
  ticket(now: number): string | null {
    if (this.#grant === null || this.#ticketSpent) return null;
    return this.#isFresh(this.#grant.ticketLifeMs, now) ? this.#grant.ticket : null;
  }

  /** The reserve ticket, where it is still good. Only for when the first call cannot be answered. */
  reserve(now: number): string | null {
    if (this.#grant === null || this.#reserveSpent) return null;
    return this.#isFresh(this.#grant.reserveLifeMs, now) ? this.#grant.reserveTicket : null;
  }

  /** This session ticket is not used again; the next try begins with a first call. */
  spend(ticket: string): void {
    if (ticket === this.#grant?.ticket) this.#ticketSpent = true;
  }

  /** Whether a first call was not answered lately: another would not be either. */
  isKept(now: number): boolean {
    return now < this.#keptUntil;
  }

  /** A new ticket is not to be had at present: the one that was spent, and that nobody refused, is used on. */
  revive(now: number): void {
    this.#ticketSpent = this.#ticketRefused;
    this.#keptUntil = now + keptMs;
  }

  /** A node refused this ticket, or the platform refused the client: it is not shown again. */
  discard(ticket: string): void {
    if (ticket === this.#grant?.ticket) this.#ticketSpent = this.#ticketRefused = true;
    if (ticket === this.#grant?.reserveTicket) this.#reserveSpent = true;
  }

  /** Forgets both tickets; the nodes stay known. */
  discardAll(): void {
    this.#ticketSpent = this.#ticketRefused = true;
    this.#reserveSpent = true;
  }

  #isFresh(lifeMs: number, now: number): boolean {
    return now - this.#takenAt < lifeMs - ticketMarginMs;
  }
}
