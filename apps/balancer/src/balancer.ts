/**
 * A balancer: haproxy for the nodes of a list, and keepalived for the static addresses.
 *
 *   nodes (settings, or admin API every few seconds) ──► haproxy.cfg ──► haproxy -W, reloaded without a cut
 *                                                        keepalived starts once haproxy serves
 *   haproxy or keepalived ends ──► the program ends with 70: the addresses go to the other machine
 *   asked to stop ──► keepalived first (the addresses move at once), then tunnels, node after node, then haproxy, with time
 *                     for its connections, whose packets the other machine passes on meanwhile (handover.ts)
 *
 * When the admin API is out of reach, or knows of no node, the nodes stay as they are.
 */
import { mkdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { ExitCode } from '@postern/config';
import { type Ending, type Logger, type Readiness, type Service, readyWhen } from '@postern/telemetry';
import type { BalancerOptions } from './config.ts';
import { BalancerError } from './errors.ts';
import { HandoverDesk } from './handover-desk.ts';
import { type Handover, beginHandover, clearHandover } from './handover.ts';
import { Haproxy } from './haproxy.ts';
import { tunnelServers } from './haproxy-configuration.ts';
import { startKeepalived } from './keepalived.ts';
import { keepKnownNodes, readKnownNodes } from './known-nodes.ts';
import type { BalancerMetrics } from './metrics.ts';
import { withAddresses } from './node-address.ts';
import type { NodeEntry } from './node-list.ts';
import { type NodeSource, demandNodeSource } from './node-source.ts';
import { demandPortsDiffer } from './own-ports.ts';
import type { Supervised } from './supervised.ts';

const keepalivedStopMs = 5_000;
/** For a client to be back over another machine. */
const tunnelPauseMsMax = 3_000;

/** What a balancer is made of. */
export interface BalancerParts {
  readonly options: BalancerOptions;
  readonly logger: Logger;
  readonly metrics: BalancerMetrics;
  readonly ending: Ending;
}

/** Makes a balancer; `start` throws `ExitError` (78) when the settings say neither nodes nor whom to ask, or a port twice. */
export function createBalancer(parts: BalancerParts): Service {
  return new Balancer(parts);
}

class Balancer implements Service {
  readonly name = 'balancer';
  readonly #parts: BalancerParts;
  readonly #haproxy: Haproxy;
  readonly #desk: HandoverDesk;
  readonly #abort = new AbortController();
  #keepalived: Supervised | null = null;
  #nodes: readonly NodeEntry[] = [];
  /** Why the nodes could not be had or served, at the last try. */
  #failure: string | null = null;
  #polling: Promise<void> = Promise.resolve();
  #stopping: Promise<void> | null = null;

  constructor(parts: BalancerParts) {
    this.#parts = parts;
    this.#haproxy = new Haproxy(parts.options, parts.logger);
    this.#desk = new HandoverDesk(parts.options, parts.logger);
  }

  async start(): Promise<void> {
    const { options } = this.#parts;
    mkdirSync(options.state, { recursive: true, mode: 0o700 });
    const list = demandNodeSource(options);
    demandPortsDiffer(options);
    clearHandover(options, this.#parts.logger);
    await this.#desk.start();
    const known = readKnownNodes(options.state);
    const first = this.#take(() => Promise.resolve(known));
    this.#polling = first.then(() => this.#poll(list));
    await first;
  }

  ready(): Readiness {
    const { virtualAddresses } = this.#parts.options;
    return readyWhen({
      nodes: this.#nodes.length === 0,
      haproxy: !this.#haproxy.isRunning,
      keepalived: virtualAddresses.length > 0 && this.#keepalived?.isRunning !== true,
    });
  }

  status(): unknown {
    const { leavers } = this.#desk;
    return { nodes: this.#nodes, failing: this.#failure !== null, reloads: this.#haproxy.reloads, leavers };
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#abort.abort();
    const { options } = this.#parts;
    const deadline = performance.now() + options.drainGraceMs;
    this.#desk.refuse('this machine leaves too');
    await this.#polling;
    const handover = await this.#beginHandover();
    // The addresses move in the first moment of its stop, which takes a second.
    await Promise.all([this.#keepalived?.stop('SIGTERM', keepalivedStopMs), handover?.moved()]);
    if (handover !== null) await this.#moveTunnels(deadline);
    await this.#haproxy.stop(Math.max(0, deadline - performance.now()));
    await handover?.finish(deadline);
    this.#desk.close();
  }

  /**
   * Tunnels end with the machine at the latest. Those of one node after the other end now, and come back through the other
   * machine, so that no client is without one at any moment.
   */
  async #moveTunnels(deadline: number): Promise<void> {
    const { options, logger } = this.#parts;
    const nodes = tunnelServers(this.#nodes, options);
    const pauseMs = Math.min(tunnelPauseMsMax, (deadline - performance.now()) / 2 / nodes.length);
    try {
      for (const servers of nodes) {
        await this.#haproxy.endConnections(servers);
        await delay(pauseMs);
      }
    } catch (error) {
      logger.warn({ error }, 'tunnels end all at once: haproxy does not answer');
    }
  }

  /** Where haproxy or keepalived has ended by itself there is nothing to go on, or the addresses cannot be given away. */
  async #beginHandover(): Promise<Handover | null> {
    if (!this.#haproxy.isRunning || this.#keepalived?.isRunning !== true) return null;
    return beginHandover(this.#parts.options, this.#parts.logger);
  }

  /** Names are resolved each time, so that a node that moved is found again. */
  async #poll(list: NodeSource): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      await this.#take(async () => withAddresses(await list(signal), this.#nodes));
      await delay(this.#parts.options.pollMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Serves these nodes, where there are any; what does not succeed is told once for each cause, and the next poll tries it again. */
  async #take(list: () => Promise<readonly NodeEntry[]>): Promise<void> {
    const { logger, metrics } = this.#parts;
    const { signal } = this.#abort;
    try {
      const nodes = await list();
      if (nodes.length > 0 && !signal.aborted) await this.#serve(nodes);
      this.#failure = null;
      metrics.failing.set(0);
    } catch (error) {
      if (signal.aborted) return;
      metrics.pollFailures.inc();
      metrics.failing.set(1);
      const failure = error instanceof BalancerError ? error.code : String(error);
      if (failure !== this.#failure) logger.warn({ error }, 'the list of nodes is as it was');
      this.#failure = failure;
    }
  }

  async #serve(nodes: readonly NodeEntry[]): Promise<void> {
    const { options, logger, metrics } = this.#parts;
    const isFirst = !this.#haproxy.isRunning;
    const isChange = await this.#haproxy.serve(nodes);
    if (isChange) {
      this.#nodes = nodes;
      metrics.nodes.set(nodes.length);
      metrics.reloads.inc();
      logger.info({ nodes: nodes.map(({ name }) => name) }, 'these nodes are served');
      if (isFirst) this.#endWith('haproxy', this.#haproxy.ended);
    }
    if (this.#keepalived === null && options.virtualAddresses.length > 0) {
      this.#keepalived = startKeepalived(options, logger);
      this.#endWith('keepalived', this.#keepalived.ended);
    }
    // Last: nobody is to be worse served now for want of what a later start would like to know.
    if (isChange) keepKnownNodes(options.state, nodes);
  }

  /** The program does not outlive its parts. */
  #endWith(name: string, ended: Promise<string>): void {
    void ended.then((how) => {
      if (this.#abort.signal.aborted) return;
      const error = new BalancerError('BALANCER_PROGRAM_ENDED', `${name} ended: ${how}`);
      this.#parts.logger.error({ error }, `${name} ended`);
      this.#parts.ending.end(ExitCode.internal, error.message);
    });
  }
}
