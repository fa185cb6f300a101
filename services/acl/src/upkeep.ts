/**
 * What acl does without being asked: it takes over what the router says of gateways, drops what belonged to gateways and
 * destinations that are gone, and forgets what is over.
 *
 *   feed changed ──► pending IDs ──► one after the other, as the feed has it now ──► done
 *   survey ────────────┘   ▲                                   │
 *                          └── failed: last in line, and all wait for the next tick
 *
 * A survey, at the first fetch of both feeds and then every few minutes, marks whatever is stored for something that the
 * feeds do not have; so nothing is left behind by a time when acl, the router or the store was away. Nothing is
 * dropped on the word of a cache: the router is asked each time, and must say that it was deleted. What it only does not
 * find stays, and the log says how much that is: a router on a wrong, emptied or earlier database would else take
 * away for good what acl knows.
 */
import type { FeedFollower } from '@postern/replica';
import type { Logger } from '@postern/telemetry';
import type { GatewayRecord, Route } from '@postern/contracts';
import { every } from '@postern/store';
import type { Documents } from './document.ts';
import type { ApiKeys } from './api-keys.ts';
import type { Policies } from './policies.ts';
import type { FrontOf, SourceRules } from './source-rules.ts';
import type { TicketKeys } from './ticket-keys.ts';
import type { Tokens } from './tokens.ts';
import type { Uses } from './uses.ts';

/** How often what failed is tried again. */
export const retryIntervalMs = 2_000;

/** What upkeep keeps up. */
export interface UpkeepParts {
  documents: Documents;
  policies: Policies;
  sourceRules: SourceRules;
  tokens: Tokens;
  apiKeys: Pick<ApiKeys, 'has'>;
  ticketKeys: TicketKeys;
  uses: Uses;
  gateways: Pick<FeedFollower<typeof GatewayRecord>, 'items' | 'isSynced'>;
  routes: Pick<FeedFollower<typeof Route>, 'items' | 'isSynced'>;
  rememberMs: number;
  /** By which time something is over (`timeOfAll`). */
  time: () => Promise<number>;
  logger: Logger;
}

/** Keeps acl's documents true to the router's. None of it ever rejects. */
export class Upkeep {
  readonly #parts: UpkeepParts;
  readonly #gateways = new Set<string>();
  readonly #fronts = new Map<string, FrontOf>();
  /** Of what acl holds, what the router does not find although it has not deleted it. */
  readonly #unfound = new Set<string>();
  #toldUnfound = 0;
  #working: Promise<void> | null = null;
  #surveyDue = false;
  #stopped = false;

  constructor(parts: UpkeepParts) {
    this.#parts = parts;
  }

  /** How much waits to be done or to be tried again. */
  get pending(): number {
    return this.#gateways.size + this.#fronts.size;
  }

  /** The feed of gateways has these otherwise than before. */
  handleGateways(ids: Iterable<string>): void {
    for (const id of ids) this.#gateways.add(id);
    this.#work();
  }

  /** The feed of routes has these no more. */
  handleDeletedRoutes(routes: Iterable<Route>): void {
    for (const { id, gatewayId } of routes) this.#fronts.set(id, { gatewayId, destinationId: id });
    this.#work();
  }

  /** Looks through all that is stored for what the feeds do not have. */
  survey(): void {
    this.#surveyDue = true;
    this.#work();
  }

  /** Tries again what failed. */
  retry(): void {
    this.#work();
  }

  /** Forgets tokens and ticket keys that are over, and when what is gone was used. */
  async sweep(): Promise<void> {
    const { tokens, apiKeys, ticketKeys, uses, rememberMs, logger } = this.#parts;
    try {
      const time = await this.#parts.time();
      await tokens.sweep(time - rememberMs);
      await ticketKeys.sweep(time);
      await uses.sweep((id) => apiKeys.has(id));
    } catch (error) {
      logger.warn({ error }, 'what is over could not be forgotten; it will be tried again');
    }
  }

  /** Resolves when nothing of it runs. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#working;
  }

  #work(): void {
    this.#working ??= this.#workOff().finally(() => {
      this.#working = null;
    });
  }

  async #workOff(): Promise<void> {
    while (!this.#stopped) {
      const step = this.#takeStep();
      if (step === null) return this.#tellUnfound();
      try {
        await step.run();
      } catch (error) {
        step.putBack();
        this.#parts.logger.warn({ error }, 'taking over what the router says failed; it will be tried again');
        return;
      }
    }
  }

  /** Taken before it runs, so that what changes meanwhile comes again. */
  #takeStep(): { run(): Promise<void>; putBack(): void } | null {
    const { gateways, routes } = this.#parts;
    if (this.#surveyDue && gateways.isSynced && routes.isSynced) {
      this.#surveyDue = false;
      return { run: () => this.#lookThrough(), putBack: () => (this.#surveyDue = true) };
    }
    const [gatewayId] = this.#gateways;
    if (gatewayId !== undefined) {
      this.#gateways.delete(gatewayId);
      return { run: () => this.#keepGateway(gatewayId), putBack: () => this.#gateways.add(gatewayId) };
    }
    const [front] = this.#fronts.values();
    if (front === undefined) return null;
    const { destinationId } = front;
    this.#fronts.delete(destinationId);
    return { run: () => this.#dropFront(front), putBack: () => this.#fronts.set(destinationId, front) };
  }

  async #keepGateway(gatewayId: string): Promise<void> {
    const { policies, gateways, logger } = this.#parts;
    const record = gateways.items.get(gatewayId);
    // The feed may be behind what acl was told to follow; only the router knows what holds now.
    if (record !== undefined && (await policies.knows(record))) return;
    const outcome = await policies.follow(gatewayId);
    if (outcome === 'dropped') logger.info({ gatewayId }, 'dropped what belonged to a deleted gateway');
    if (outcome === 'not found') this.#unfound.add(gatewayId);
    else this.#unfound.delete(gatewayId);
  }

  async #dropFront(front: FrontOf): Promise<void> {
    const { sourceRules, routes, logger } = this.#parts;
    if (routes.items.has(front.destinationId) || !(await sourceRules.drop(front))) return;
    logger.debug({ ...front }, 'dropped the source rules of a deleted destination');
  }

  /** Once for as many of them. */
  #tellUnfound(): void {
    const { size: gateways } = this.#unfound;
    if (gateways === this.#toldUnfound) return;
    this.#toldUnfound = gateways;
    if (gateways === 0) return;
    const [gatewayId] = this.#unfound;
    this.#parts.logger.warn(
      { gateways, gatewayId },
      'the router does not find gateways that it has not deleted; what belongs to them is kept: is it on the right database?',
    );
  }

  async #lookThrough(): Promise<void> {
    this.#unfound.clear();
    const { documents, gateways, routes } = this.#parts;
    for (const id of gateways.items.keys()) this.#gateways.add(id);
    for await (const { id } of every(documents.policies)) if (!gateways.items.has(id)) this.#gateways.add(id);
    for await (const { gatewayId } of every(documents.tokens)) {
      if (!gateways.items.has(gatewayId)) this.#gateways.add(gatewayId);
    }
    for await (const { id, gatewayId } of every(documents.sourceRules)) {
      if (!routes.items.has(id)) this.#fronts.set(id, { gatewayId, destinationId: id });
    }
  }
}
