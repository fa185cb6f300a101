/** What goes into a `TunnelKeeper` and what comes out of it. Tunnels and dials share one row of numbers. */
import type { NodeAddress } from '@postern/contracts';
import type { Grant } from '../platform/grant.ts';
import type { Transport, Way } from './route-choice.ts';

/** What a keeper is to keep, and how patiently. */
export interface KeeperOptions {
  /** How many tunnels to hold. */
  readonly tunnels: number;
  readonly transport: 'auto' | Transport;
  /** Tries after which it gives up; -1 for never. */
  readonly reconnect: number;
  /** A number in [0, 1), for jitter. */
  readonly random: () => number;
}

/**
 * Why a dial brought no tunnel: nobody was reached; who was reached has no time now, or cannot use this ticket, which
 * another may; the ticket will do nowhere; the way led to a node that was to be avoided.
 */
export type DialFailure = 'path' | 'busy' | 'unfit' | 'ticketRefused' | 'sameNode';

/** What happened. */
export type KeeperEvent =
  | { kind: 'wake' }
  /** The token is another one: each tunnel is to be replaced by one that the new token opened. */
  | { kind: 'renew' }
  /** The fleet is another one: these nodes may be dialled from now on. */
  | { kind: 'fleet'; nodes: readonly NodeAddress[] }
  /** The node of this tunnel asks for another one in its place, at the first of these nodes that will do. */
  | { kind: 'moveAsked'; id: number; nodes: readonly NodeAddress[]; withinMs: number }
  | { kind: 'callAnswered'; grant: Grant }
  | { kind: 'callFailed'; cause: 'refused' | 'unanswered'; retryAfterMs: number }
  | { kind: 'dialUp'; id: number; node: string }
  | { kind: 'dialFailed'; id: number; cause: DialFailure; retryAfterMs: number }
  | { kind: 'tunnelDraining'; id: number }
  | { kind: 'tunnelDown'; id: number };

/** What is to be done. */
export type KeeperAction =
  | { kind: 'call' }
  | ({ kind: 'dial'; id: number; ticket: string; avoid: readonly string[] } & Way)
  | { kind: 'drain'; id: number }
  | { kind: 'usedUp' };
