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
import { type Endpoint, GoAwayCode, ResetCode } from '@postern/tunnel';
import type { Callers } from './callers.ts';
import type { CloudStreams } from './cloud/cloud-streams.ts';
import type { EdgeOptions } from './config.ts';
import type { CallerCause } from './errors.ts';
import type { Presence } from './fleet/presence.ts';
import type { Tunnel, Tunnels } from './client/tunnels.ts';

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

/** What a drain empties, of the parts that a node has. */
export interface DrainParts {
  options: Pick<EdgeOptions, 'drainDelayMs' | 'drainGraceMs'>;
  endpoint: Endpoint;
  tunnels: Tunnels;
  callers: Callers;
  /** Of cloud destinations, whose callers are at a client. */
  cloudStreams: CloudStreams;
  presence: Presence;
  /** Whether the others have heard that this node is ready. */
  serving(): boolean;
  closeFronts(): void;
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
    const { tunnels, callers, cloudStreams, endpoint, presence, logger } = this.#parts;
    const { drainDelayMs, drainGraceMs } = this.#parts.options;
    // Whoever asks is answered first, and `active` is true for all that follows.
    await Promise.resolve();
    if (this.#parts.serving()) presence.tellNews();
    const others = presence.nodes();
    const all = { tunnels: tunnels.size, callers: callers.size + cloudStreams.size };
    logger.info({ ...all, others: others.length }, 'draining');
    if (others.length > 0) await Promise.all([sleep(drainDelayMs), this.#moveTunnels(others)]);
    this.#closed = true;
    this.#parts.closeFronts();
    for (const { session } of tunnels.all()) {
      session.goAway(GoAwayCode.ShuttingDown, reason);
      endpoint.resetRelayed(session, ResetCode.PathLost, reason);
    }
    await Promise.all([callers.drain(drainGraceMs), cloudStreams.drain(drainGraceMs)]);
    const cause: CallerCause = { code: 'EDGE_DRAINING', text: 'the node stopped', end: 'edge' };
    callers.close(cause);
    cloudStreams.close(cause);
    logger.info({ tunnels: tunnels.size }, 'drained');
  }

  /** Resolves when every client has a tunnel elsewhere, or has had the time for it. */
  async #moveTunnels(others: readonly NodeAddress[]): Promise<void> {
    const left = new Set(this.#parts.tunnels.all());
    const withinMs = Math.min(left.size * spreadMs.each, spreadMs.max);
    let told = 0;
    for (const tunnel of left) {
      if (tunnel.session.closed) continue;
      const nodes = nodesFor(others, this.#heldBy(tunnel));
      tunnel.session.sendControl({ kind: 'move', nodes, withinMs, reason });
      told += 1;
      if (told % groupMax === 0) await turn();
    }
    const deadline = performance.now() + moveMsMax + withinMs;
    while (performance.now() < deadline) {
      for (const tunnel of left) if (this.#hasMoved(tunnel)) left.delete(tunnel);
      // All are told when the whole platform stops at once: then there is nowhere to go.
      if (left.size === 0 || this.#parts.presence.nodes().length === 0) return;
      await sleep(lookMs);
    }
    this.#parts.logger.warn({ tunnels: left.size }, 'clients have not moved their tunnels in time');
  }

  /** The client has said GOAWAY, since its other tunnel is up, and that one is known here. */
  #hasMoved(tunnel: Tunnel): boolean {
    return tunnel.session.closed || (!tunnel.usable && this.#heldBy(tunnel).size > 0);
  }

  /** The names of other nodes where the client of a tunnel has one. */
  #heldBy({ gatewayId, clientId, bootId }: Tunnel): ReadonlySet<string> {
    const held = this.#parts.presence.clientElsewhere(gatewayId, clientId);
    return new Set(held.filter(({ tunnel }) => tunnel.bootId === bootId).map(({ node }) => node));
  }
}

/** Those without a tunnel of the client first. */
function nodesFor(others: readonly NodeAddress[], held: ReadonlySet<string>): NodeAddress[] {
  const free = others.filter(({ node }) => !held.has(node));
  return [...free, ...others.filter(({ node }) => held.has(node))].slice(0, namedMax);
}
