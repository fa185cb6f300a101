/**
 * A node, brought to life (its parts: node-parts.ts). The order of the start matters:
 *
 *     bus desk ─► certificate, identity, ticket keys, routes, policies ─► certificates that routes name
 *                 └── each waits for its owner, as long as it takes ──┘            │
 *          ready ◄─ fronts ◄─ connect port ◄─ the other nodes ◄─ link port, tunnel port ◄┘
 *
 * Nothing listens before the node can tell a valid ticket and an allowed caller from others. Once it can, it needs none
 * of them any more: with bus, acl, router and certstore gone its tunnels, streams and fronts go on, on what it knows.
 * The stop goes the other way: no new callers and tunnels, clients are asked to go elsewhere, callers get their grace.
 */
import type { Subscription } from '@postern/bus';
import { type Logger, type Readiness, type Service, readyWhen, subsystemLogger } from '@postern/telemetry';
import { openBusDesk } from './bus-desk.ts';
import { type EdgeParts, NodeParts } from './node-parts.ts';
import { edgeStatus } from './status.ts';

/** A node. */
export interface Edge extends Service {
  /** The ports that it took; 0 before it listens. */
  readonly ports: { connect: number; http: number; tunnel: number; link: number };
}

/** Makes a node; `start` brings it to life. */
export function createEdge(parts: EdgeParts): Edge {
  return new EdgeNode(parts);
}

class EdgeNode implements Edge {
  readonly name = 'edge';
  readonly #logger: Logger;
  readonly #node: NodeParts;
  readonly #starting = new AbortController();
  #subscriptions: Subscription[] = [];
  #serving = false;
  #stopping: Promise<void> | null = null;

  constructor(parts: EdgeParts) {
    this.#logger = subsystemLogger(parts.logger, 'edge');
    this.#node = new NodeParts(parts, { ready: () => this.ready().ready, serving: () => this.#serving });
  }

  get ports(): { connect: number; http: number; tunnel: number; link: number } {
    return {
      ...this.#node.frontSide.ports,
      tunnel: this.#node.clientSide.port,
      link: this.#node.links.port,
    };
  }

  async start(): Promise<void> {
    const { signal } = this.#starting;
    this.#node.aclReach.start();
    this.#node.presence.listen();
    this.#subscriptions = [...openBusDesk(this.#node), this.#node.health.listen()];
    await Promise.all([
      this.#node.certificates.own.start(signal),
      this.#node.certificates.identity.start(signal),
      this.#node.keys.start(signal),
      this.#node.followers.start(signal),
    ]);
    await this.#node.certificates.held.start(signal);
    if (signal.aborted) return;
    await this.#listen(signal);
    if (signal.aborted || this.#node.drain.closed) return;
    this.#serving = true;
    this.#node.presence.tellNews();
    this.#logger.info({ ...this.ports, fronts: this.#node.frontSide.fronts.size }, 'the node serves');
  }

  ready(): Readiness {
    return readyWhen({
      'certificate from certstore': this.#node.certificates.own.current === null,
      'identity from certstore': this.#node.certificates.identity.current === null,
      'ticket keys from acl': !this.#node.keys.known,
      'routes from router': !this.#node.followers.routes.isSynced,
      'policies from acl': !this.#node.followers.policies.isSynced,
      listeners: !this.#serving,
      draining: this.#node.drain.active,
    });
  }

  status(): unknown {
    return edgeStatus(this.#node, this.ports);
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** Where clients and nodes find this one, then the others, then callers. */
  async #listen(signal: AbortSignal): Promise<void> {
    const certificate = this.#node.certificates.own.current;
    if (certificate === null) return;
    await this.#node.fleetSide.listen();
    this.#node.relayedLoad.start();
    await this.#node.clientSide.listen(certificate);
    this.#node.presence.announce();
    await this.#node.fleetSide.join(signal);
    // A drain that an operator asked for meanwhile is over: it has closed what would open now.
    if (signal.aborted || this.#node.drain.closed) return;
    this.#node.gaps.handleStart();
    await this.#node.frontSide.listen();
  }

  async #stop(): Promise<void> {
    this.#starting.abort();
    await this.#node.drain.run();
    this.#node.fleetNews.stop();
    await Promise.all([
      this.#node.followers.stop(),
      this.#node.presence.stop(),
      this.#node.certificates.held.stop(),
    ]);
    this.#node.frontSide.close();
    this.#node.clientSide.close();
    this.#node.relayedLoad.stop();
    this.#node.links.close();
    this.#node.endpoint.close();
    for (const subscription of this.#subscriptions) subscription.close();
    this.#node.cloud.health.close();
    this.#node.aclReach.stop();
  }
}
