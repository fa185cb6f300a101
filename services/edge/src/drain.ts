/**
 * How a node empties itself, on SIGTERM or when an operator asks. Nobody is to notice:
 *
 *     not ready ──► clients open tunnels elsewhere, ──► fronts close, GOAWAY on ──► callers end, or their ──► empty
 *                   balancers notice                    tunnels                     grace is over
 *
 * The order matters. Callers that still come while balancers notice are served, through other nodes once the tunnels have
 * left. Streams that this node relays are told that this path is lost, so that they go on by another; those of its own
 * callers cannot leave, and end within their grace. Until then the links stay as they are: by them a caller's stream finds
 * another path when its own is lost. Where there is no other node, nothing is waited for but the callers.
 */
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import type { NodeAddress } from '@postern/contracts';
import type { Logger } from '@postern/telemetry';
import { GoAwayCode, type Session } from '@postern/tunnel';
import type { CallerCause } from './errors.ts';
import type { Tunnel } from './tunnels.ts';

/** How long a client may take to open another tunnel before its node says GOAWAY all the same. */
const moveMsMax = 10_000;
const lookMs = 50;
/** Nodes named to a client. */
const namedMax = 8;
/** So many clients are told at once; then what else there is to do has its turn. */
const groupMax = 256;
/** Clients are told together and come to the others one after the other: for each so much longer, up to a bound. */
const spreadMs = { each: 1, max: 5_000 };
const reason = 'this node is stopping';

/** The most time that a drain takes: clients move while balancers notice, then callers have their grace. */
export function drainMsMax(options: { drainDelayMs: number; drainGraceMs: number }): number {
  return Math.max(options.drainDelayMs, moveMsMax + spreadMs.max) + options.drainGraceMs;
}

/** What a drain needs of the node. */
export interface DrainParts {
  drainDelayMs: number;
  drainGraceMs: number;
  tunnels: { all(): Iterable<Tunnel>; readonly size: number };
  callers: { readonly size: number; drain(graceMs: number): Promise<void>; close(cause: CallerCause): void };
  /** The other nodes that take tunnels, best first. */
  others(): NodeAddress[];
  /** The names of other nodes where the client of a tunnel has one. */
  heldBy(tunnel: Tunnel): ReadonlySet<string>;
  /** Says to all that this node is not ready any more. */
  tell(): void;
  closeFronts(): void;
  /** What this node relays over a session for others loses this path. */
  leaveRelayed(session: Session, text: string): void;
  logger: Logger;
}

/** Drains a node once. */
export class Drain {
  readonly #parts: DrainParts;
  #running: Promise<void> | null = null;
  #closed = false;

  constructor(parts: DrainParts) {
    this.#parts = parts;
  }

  /** It has begun. */
  get active(): boolean {
    return this.#running !== null;
  }

  /** No callers are taken any more. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Begins, unless it has; resolves when the node is empty. */
  run(): Promise<void> {
    this.#running ??= this.#run();
    return this.#running;
  }

  async #run(): Promise<void> {
    const { tunnels, callers, logger, drainDelayMs, drainGraceMs } = this.#parts;
    // Whoever asks is answered first, and `active` is true for all that follows.
    await Promise.resolve();
    this.#parts.tell();
    const others = this.#parts.others();
    logger.info({ tunnels: tunnels.size, callers: callers.size, others: others.length }, 'draining');
    if (others.length > 0) await Promise.all([sleep(drainDelayMs), this.#moveTunnels(others)]);
    this.#closed = true;
    this.#parts.closeFronts();
    for (const { session } of tunnels.all()) {
      session.goAway(GoAwayCode.ShuttingDown, reason);
      this.#parts.leaveRelayed(session, reason);
    }
    await callers.drain(drainGraceMs);
    callers.close({ code: 'EDGE_DRAINING', text: 'the node stopped', end: 'edge' });
    logger.info({ tunnels: tunnels.size }, 'drained');
  }

  /** Resolves when every client has a tunnel elsewhere, or has had the time for it. */
  async #moveTunnels(others: readonly NodeAddress[]): Promise<void> {
    const left = new Set(this.#parts.tunnels.all());
    const withinMs = Math.min(left.size * spreadMs.each, spreadMs.max);
    let told = 0;
    for (const tunnel of left) {
      if (tunnel.session.closed) continue;
      const nodes = nodesFor(others, this.#parts.heldBy(tunnel));
      tunnel.session.sendControl({ kind: 'move', nodes, withinMs, reason });
      told += 1;
      if (told % groupMax === 0) await turn();
    }
    const deadline = performance.now() + moveMsMax + withinMs;
    while (performance.now() < deadline) {
      for (const tunnel of left) if (this.#hasMoved(tunnel)) left.delete(tunnel);
      // All are told when the whole platform stops at once: then there is nowhere to go.
      if (left.size === 0 || this.#parts.others().length === 0) return;
      await sleep(lookMs);
    }
    this.#parts.logger.warn({ tunnels: left.size }, 'clients have not moved their tunnels in time');
  }

  /** The client has said GOAWAY, since its other tunnel is up, and that one is known here. */
  #hasMoved(tunnel: Tunnel): boolean {
    return tunnel.session.closed || (!tunnel.usable && this.#parts.heldBy(tunnel).size > 0);
  }
}

/** Those without a tunnel of the client first. */
function nodesFor(others: readonly NodeAddress[], held: ReadonlySet<string>): NodeAddress[] {
  const free = others.filter(({ node }) => !held.has(node));
  return [...free, ...others.filter(({ node }) => held.has(node))].slice(0, namedMax);
}
