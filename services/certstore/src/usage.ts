/**
 * Which destination names which certificate, told from the router's routes as this certstore follows them. Whoever is
 * about to rely on it (give a key, delete a certificate) has it brought up to date first.
 */
import type { Bus } from '@postern/bus';
import {
  type CertificateUser,
  type Route,
  type RouteCertificate,
  certificateUses,
  findGateway,
  routeFeed,
} from '@postern/contracts';
import { FeedFollower } from '@postern/replica';
import { certstoreError } from './errors.ts';

/** The most destinations that are shown with a certificate. */
const usersShownMax = 100;

/** One place where a certificate is named. */
export interface Use extends RouteCertificate {
  readonly route: Route;
}

/** Follows from `start` to `stop`. */
export class Usage {
  readonly #bus: Bus;
  readonly #routes: FeedFollower<typeof Route>;
  readonly #byCertificate = new Map<string, Map<string, Use[]>>();

  constructor(bus: Bus, onError: (error: unknown) => void) {
    this.#bus = bus;
    this.#routes = new FeedFollower({
      feed: routeFeed,
      bus,
      onError,
      onChange: ({ changed, deleted }) => {
        for (const route of deleted) this.#remove(route);
        for (const { now, before } of changed) {
          if (before !== undefined) this.#remove(before);
          this.#add(now);
        }
      },
    });
  }

  start(): void {
    this.#routes.start();
  }

  async stop(): Promise<void> {
    await this.#routes.stop();
  }

  /** Every place that names the certificate, as far as is known. */
  of(id: string): Use[] {
    return [...(this.#byCertificate.get(id)?.values() ?? [])].flat();
  }

  /** The same as it is shown. */
  shown(id: string): CertificateUser[] {
    return this.of(id)
      .slice(0, usersShownMax)
      .map(({ route, field }) => ({
        gatewayId: route.gatewayId,
        destinationId: route.id,
        name: route.name,
        field,
      }));
  }

  /** Asks the router what changed; false when it could not be asked. */
  refresh(): Promise<boolean> {
    return this.#routes.refreshed();
  }

  /** Rejects with `CERTSTORE_USAGE_UNKNOWN` when the router cannot be asked. */
  async demandFresh(): Promise<void> {
    if (await this.refresh()) return;
    throw certstoreError(
      'CERTSTORE_USAGE_UNKNOWN',
      'the router cannot be asked which destinations use the certificate; try again',
    );
  }

  /** What the router says of a gateway. What belongs to one that it only does not find is named by no route either. */
  async gatewayState(gatewayId: string): Promise<'there' | 'deleted' | 'not found'> {
    const said = await findGateway(this.#bus, gatewayId);
    return typeof said === 'string' ? said : 'there';
  }

  #add(route: Route): void {
    for (const use of certificateUses(route)) {
      const users = this.#byCertificate.get(use.id) ?? new Map<string, Use[]>();
      this.#byCertificate.set(use.id, users);
      users.set(route.id, [...(users.get(route.id) ?? []), { ...use, route }]);
    }
  }

  #remove(route: Route): void {
    for (const { id } of certificateUses(route)) {
      const users = this.#byCertificate.get(id);
      users?.delete(route.id);
      if (users?.size === 0) this.#byCertificate.delete(id);
    }
  }
}
