/** As much of a router as acl's tests need: gateways and destinations in a map, and the feeds of both. */
import type { Bus, Subscription } from '@postern/bus';
import {
  ServiceError,
  answer,
  destinationDefaults,
  gatewayFeed,
  getDestination,
  getGateway,
  routeFeed,
  policyFeed,
  type Destination,
  type Gateway,
  type GatewayRecord,
  type Policy,
  type Route,
} from '@postern/contracts';
import { FeedFollower, FeedOwner } from '@postern/replica';
import { openSqlite, type Store } from '@postern/store';

const at = '2026-01-01T00:00:00.000Z';
const resource: Destination['resource'] = {
  host: '10.0.0.5',
  port: 1,
  ...destinationDefaults.resource,
};

/** Answers for the router until `stop`. */
export class FakeRouter {
  readonly gateways = new Map<string, GatewayRecord>();
  readonly destinations = new Set<string>();
  /** Of all gateways, as the next answer has it. */
  revision = 1;
  /** What the feed leaves out although it is there. */
  readonly hidden = new Set<string>();
  /** What it knows to be deleted. */
  readonly deleted = new Set<string>();
  readonly #store: Store;
  readonly #subscriptions: Subscription[];
  readonly #asked: (() => void)[] = [];
  #owners: FeedOwner[] = [];

  private constructor(bus: Bus, store: Store) {
    this.#store = store;
    this.#subscriptions = [
      answer(bus, getGateway, ({ id }) => this.#gateway(id)),
      answer(bus, getDestination, ({ gatewayId, id }) => this.#destination(gatewayId, id)),
    ];
  }

  static async start(bus: Bus): Promise<FakeRouter> {
    const store = openSqlite(':memory:');
    const router = new FakeRouter(bus, store);
    const shown = () => [...router.gateways.values()].filter(({ id }) => !router.hidden.has(id));
    const onError = (error: unknown) => {
      throw error;
    };
    const gateways = {
      read: async (ids: readonly string[]) => shown().filter(({ id }) => ids.includes(id)),
      list: async () => ({ items: shown(), nextCursor: null }),
    };
    const routes = {
      read: async (): Promise<Route[]> => [],
      list: async () => ({ items: [], nextCursor: null }),
    };
    router.#owners = [
      await FeedOwner.open({ feed: gatewayFeed, store, bus, source: gateways, onError }),
      await FeedOwner.open({ feed: routeFeed, store, bus, source: routes, onError }),
    ];
    return router;
  }

  put(record: GatewayRecord): void {
    this.gateways.set(record.id, record);
  }

  /** Changes a gateway, and waits until acl's policy says so. */
  async change(record: GatewayRecord, bus: Bus): Promise<void> {
    this.put(record);
    const done = policies(bus, (items) => {
      const policy = items.get(record.id);
      const { gatewayName, enabled, requireToken } = policy ?? {};
      return (
        gatewayName === record.name && enabled === record.enabled && requireToken === record.requireToken
      );
    });
    await this.#announce(record.id);
    await done;
  }

  /** Deletes a gateway. */
  delete(id: string): void {
    this.gateways.delete(id);
    this.deleted.add(id);
  }

  /** Deletes a gateway, and waits until acl has dropped it. */
  async remove(id: string, bus: Bus): Promise<void> {
    this.delete(id);
    const done = policies(bus, (items) => !items.has(id));
    await this.#announce(id);
    await done;
  }

  /** Leaves a gateway out of the feed, and waits until acl has asked whether it is gone. */
  async hide(id: string, bus: Bus): Promise<void> {
    this.hidden.add(id);
    await this.#untilAsked(id, bus);
  }

  /** Finds a gateway no more, as on a database of before it was made, and waits until acl has asked for it. */
  async lose(id: string, bus: Bus): Promise<void> {
    this.gateways.delete(id);
    await this.#untilAsked(id, bus);
  }

  async #untilAsked(id: string, bus: Bus): Promise<void> {
    const asked = this.asked();
    await this.#announce(id);
    await asked;
    await bus.flush(1_000);
  }

  /** Resolves when a gateway is asked for next. */
  asked(): Promise<void> {
    return new Promise((resolve) => this.#asked.push(resolve));
  }

  /** Answers no question from now on. */
  silence(): void {
    for (const subscription of this.#subscriptions) subscription.close();
  }

  async stop(): Promise<void> {
    this.silence();
    for (const owner of this.#owners) await owner.stop();
    await this.#store.close();
  }

  async #announce(id: string): Promise<void> {
    const [gateways] = this.#owners;
    await this.#store.transaction(async (within) => gateways?.record(within, [id]));
    gateways?.beat();
  }

  #gateway(id: string): Gateway {
    for (const asked of this.#asked.splice(0)) asked();
    const record = this.gateways.get(id);
    if (record === undefined) {
      const deleted = this.deleted.has(id);
      throw new ServiceError({ code: 'ROUTER_GATEWAY_NOT_FOUND', message: id, status: 404, deleted });
    }
    const dated = { revision: this.revision, createdAt: at, modifiedAt: at };
    return { ...record, ...dated, description: '', connected: false, clients: 0 };
  }

  #destination(gatewayId: string, id: string): Destination {
    if (!this.destinations.has(id) || !this.gateways.has(gatewayId)) {
      const deleted = this.deleted.has(id);
      throw new ServiceError({ code: 'ROUTER_DESTINATION_NOT_FOUND', message: id, status: 404, deleted });
    }
    return {
      id,
      revision: 1,
      createdAt: at,
      modifiedAt: at,
      gatewayId,
      name: id,
      kind: 'on-premises',
      enabled: true,
      resource,
      health: destinationDefaults.health,
      warnings: [],
    };
  }
}

/** Follows acl's policies until they are as the caller wants them. */
export async function policies(
  bus: Bus,
  isDone: (items: ReadonlyMap<string, Policy>) => boolean,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const check = () => isDone(follower.items) && resolve();
  const follower = new FeedFollower({ feed: policyFeed, bus, onChange: check, onError: () => undefined });
  follower.start();
  void follower.synced.then(check);
  await promise;
  await follower.stop();
}
