/** The place of one tunnel in a `TunnelKeeper`: what is dialled for it, what is up in it, and what is left of the round. */
import type { Transport, Way } from './route-choice.ts';

/** A dial under way. */
export interface Dial {
  readonly id: number;
  readonly way: Way;
  readonly ticket: string;
  /** How often the token had been changed when the ticket was given. */
  readonly era: number;
}

/** A tunnel that is up. */
export interface Up {
  readonly id: number;
  readonly node: string;
  readonly transport: Transport;
  readonly since: number;
  /** A former token opened it. */
  stale: boolean;
  /** Its node asked for another one in its place. */
  leaving: boolean;
}

/** The ways that are left to try with one ticket. */
export interface Round {
  readonly ways: Way[];
  readonly ticket: string;
  readonly era: number;
  directFailed: boolean;
  /** What was heard of those who were dialled: nothing, that they have no time, or that the ticket is of no use to them. */
  heard: 'nothing' | 'busy' | 'unfit';
  /** When the next round may begin, by what one of its ways was told; the other ways do not wait for that. */
  retryAt: number;
}

/** See the head of this file. */
export interface Slot {
  dial: Dial | null;
  /** For a tunnel that is to replace the one that is up. */
  better: Dial | null;
  up: Up | null;
  round: Round | null;
  notBefore: number;
  /** Tunnels in a row that ended as soon as they were up. */
  flaps: number;
  improveAt: number;
}

/** A round that begins. */
export function makeRound(ways: Way[], ticket: string, era: number): Round {
  return { ways, ticket, era, directFailed: false, heard: 'nothing', retryAt: 0 };
}

/** An empty place. */
export function makeSlot(): Slot {
  return { dial: null, better: null, up: null, round: null, notBefore: 0, flaps: 0, improveAt: 0 };
}
