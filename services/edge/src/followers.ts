/**
 * What this node knows of the platform: routes and policies, in memory, followed by revision (libs/replica). When their
 * owners are gone the node goes on with what it has.
 */
import { once } from 'node:events';
import type { Bus } from '@postern/bus';
import { type Policy, type Route, policyFeed, routeFeed } from '@postern/contracts';
import { type FeedChange, FeedFollower } from '@postern/replica';
import type { Logger } from '@postern/telemetry';
import { Multimap } from '@postern/tunnel';

/** How long a handshake waits for a policy that is not here: a gateway made just now. */
const policyWaitMs = 500;

/** What is followed for whom. */
export interface FollowersParts {
  bus: Bus;
  logger: Logger;
  /** A destination is new or another; `now` is undefined when it is gone. */
  onRoute(id: string, gatewayId: string, now: Route | undefined): void;
  /** Behind all routes of one change, once for each gateway whose they are: what is the gateway's needs no more. */
  onRoutes(gatewayId: string): void;
  /** A gateway's policy is new, another, or gone. */
  onPolicy(gatewayId: string): void;
}

/** Routes and policies. */
export class Followers {
  readonly routes: FeedFollower<typeof Route>;
  readonly policies: FeedFollower<typeof Policy>;
  readonly #parts: FollowersParts;
  readonly #waiting = new Multimap<() => void>();

  constructor(parts: FollowersParts) {
    this.#parts = parts;
    const { bus, logger } = parts;
    this.routes = new FeedFollower({
      feed: routeFeed,
      bus,
      onChange: (change) => this.#handleRoutes(change),
      onError: (error) => logger.debug({ error }, 'the router did not give its routes'),
    });
    this.policies = new FeedFollower({
      feed: policyFeed,
      bus,
      onChange: (change) => this.#handlePolicies(change),
      onError: (error) => logger.debug({ error }, 'acl did not give its policies'),
    });
  }

  /** Resolves when both were fetched once, or the signal is aborted. */
  async start(signal: AbortSignal): Promise<void> {
    this.routes.start();
    this.policies.start();
    await Promise.race([once(signal, 'abort'), Promise.all([this.routes.synced, this.policies.synced])]);
  }

  /** The policy of a gateway; where it is not here, the one that comes within a moment. */
  async policy(gatewayId: string): Promise<Policy | undefined> {
    if (this.policies.get(gatewayId) === undefined) await this.#wait(gatewayId);
    return this.policies.get(gatewayId);
  }

  /** Resolves when what the owners have now is here: true, or false when they cannot be asked. */
  async catchUp(): Promise<boolean> {
    const fetched = await Promise.all([this.routes.refreshed(), this.policies.refreshed()]);
    return fetched.every(Boolean);
  }

  /** The feeds of which something was announced that could not be fetched. */
  get behind(): string[] {
    return [
      ...(this.routes.isBehind ? [routeFeed.name] : []),
      ...(this.policies.isBehind ? [policyFeed.name] : []),
    ];
  }

  async stop(): Promise<void> {
    await Promise.all([this.routes.stop(), this.policies.stop()]);
  }

  #wait(gatewayId: string): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(gatewayId, done);
        resolve();
      };
      const timer = setTimeout(done, policyWaitMs);
      this.#waiting.add(gatewayId, done);
      this.policies.refresh();
    });
  }

  /** One change that fails keeps no other from being put in force. */
  #put(id: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#parts.logger.error({ id, error }, 'a change could not be put in force');
    }
  }

  /** What is gone goes first: its port may be another's now. */
  #handleRoutes({ changed, deleted }: FeedChange<Route>): void {
    for (const { id, gatewayId } of deleted)
      this.#put(id, () => this.#parts.onRoute(id, gatewayId, undefined));
    for (const { now } of changed) this.#put(now.id, () => this.#parts.onRoute(now.id, now.gatewayId, now));
    const routes = [...deleted, ...changed.map(({ now }) => now)];
    for (const id of new Set(routes.map(({ gatewayId }) => gatewayId)))
      this.#put(id, () => this.#parts.onRoutes(id));
  }

  #handlePolicies({ changed, deleted }: FeedChange<Policy>): void {
    for (const id of [...deleted.map((policy) => policy.id), ...changed.map(({ now }) => now.id)]) {
      this.#put(id, () => this.#parts.onPolicy(id));
      for (const done of this.#waiting.get(id)) done();
    }
  }
}
