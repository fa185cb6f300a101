/**
 * The router, put together. The order of the start matters: the documents are opened first, then the feeds and the
 * presence table, and only then questions are answered; so no answer is ever made from half of what there is.
 * A router holds nothing that another replica of it lacks: fronts and gateways are in the store, presence is
 * heard by all of them.
 */
import { serveBackup } from '@postern/backup';
import type { Bus, Subscription } from '@postern/bus';
import { answererOf, gatewayFeed, routeFeed } from '@postern/contracts';
import { FeedOwner, PresenceTable } from '@postern/replica';
import { timeOfAll, untilReachable, type Store } from '@postern/store';
import {
  Metrics,
  readyWhen,
  silentLogger,
  subsystemLogger,
  type Logger,
  type Readiness,
  type Service,
} from '@postern/telemetry';
import type { RouterOptions } from './config.ts';
import { backupSource } from './backup.ts';
import { certificateCheck } from './certificate-check.ts';
import { sweepDeleted } from './deletions.ts';
import { Destinations } from './destinations.ts';
import { Diagnosis } from './diagnosis.ts';
import { openDocuments, type Documents } from './document.ts';
import { Fleet } from './fleet.ts';
import { FrontClaims, type IsPortFree } from './front-claims.ts';
import { Gateways } from './gateways.ts';
import { Journal } from './journal.ts';
import { routerMetrics, type RouterMetrics } from './metrics.ts';
import { answerQuestions } from './questions.ts';
import { gatewaySource, routeSource } from './records.ts';
import { releaseCertificate, sweepReleased, takeReleaseBack } from './released-certificates.ts';

const sweepIntervalMs = 3_600_000;

/** What a router is made of. */
export interface RouterParts {
  readonly bus: Bus;
  readonly store: Store;
  readonly config: RouterOptions;
  readonly logger?: Logger;
  readonly metrics?: Metrics;
  readonly now?: () => number;
  /** Given where the only node is in this process; elsewhere nodes tell of a front on which they cannot listen. */
  readonly isPortFree?: IsPortFree;
}

/** Makes a router; `start` brings it to life. */
export function createRouter(parts: RouterParts): Service {
  return new Router(parts);
}

/** What lives from start to stop. */
interface Running {
  documents: Documents;
  feeds: { gateways: FeedOwner; routes: FeedOwner };
  presence: PresenceTable;
  fleet: Fleet;
  /** What a stop closes, in reverse. */
  opened: AsyncDisposableStack;
}

const stop = (one: Pick<Service, 'stop'>): Promise<void> => one.stop();
const close = (one: Subscription): void => one.close();

class Router implements Service {
  readonly name = 'router';
  readonly #parts: RouterParts;
  readonly #logger: Logger;
  readonly #metrics: RouterMetrics;
  readonly #stopping = new AbortController();
  #running: Running | null = null;

  constructor(parts: RouterParts) {
    this.#parts = parts;
    this.#logger = subsystemLogger(parts.logger ?? silentLogger, 'router');
    this.#metrics = routerMetrics(parts.metrics ?? new Metrics(), () => this.#count());
  }

  async start(): Promise<void> {
    const { signal } = this.#stopping;
    const onRetry = (error: unknown) =>
      this.#logger.warn({ error }, 'the documents are out of reach; trying again');
    const onProgress = (progress: object): void =>
      this.#logger.info(progress, 'brought documents up to date');
    const run = async (): Promise<Running> =>
      this.#run(await openDocuments(this.#parts.store, { signal, onProgress }));
    const running = await untilReachable(run, { signal, onRetry });
    if (running === null) return;
    // Stopped meanwhile.
    if (signal.aborted) return running.opened.disposeAsync();
    this.#running = running;
    this.#logger.info({}, 'gateways and destinations are served');
  }

  ready(): Readiness {
    return readyWhen({ bus: !this.#parts.bus.connected, documents: this.#running === null });
  }

  status(): unknown {
    const { gateways = null, routes = null } = this.#running?.feeds ?? {};
    return {
      ...this.#count(),
      feeds: { gateways: gateways?.position ?? null, routes: routes?.position ?? null },
    };
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    const running = this.#running;
    this.#running = null;
    await running?.opened.disposeAsync();
  }

  /** Closes what it has opened when the rest fails. */
  async #run(documents: Documents): Promise<Running> {
    await using opened = new AsyncDisposableStack();
    const { bus, store, config, now = Date.now } = this.#parts;
    const onError = (error: unknown) => this.#logger.warn({ error }, 'what others follow could not be read');
    const claims = new FrontClaims(config, now, this.#parts.isPortFree);
    const feeds = {
      gateways: opened.adopt(
        await FeedOwner.open({
          feed: gatewayFeed,
          store,
          bus,
          source: gatewaySource(documents),
          onError,
          onRestored: () => void this.#reopen(),
        }),
        stop,
      ),
      routes: opened.adopt(
        await FeedOwner.open({
          feed: routeFeed,
          store,
          bus,
          source: routeSource(documents, (front) => claims.placeOf(front).name !== undefined),
          onError,
        }),
        stop,
      ),
    };
    const presence = opened.adopt(new PresenceTable({ bus, onError }), stop);
    presence.start();
    const fleet = new Fleet({ bus, documents, presence });
    const journal = new Journal({ store, bus, documents, feeds, now });
    const gateways = new Gateways({
      journal,
      claims,
      countClients: (id) => fleet.countClients(id),
      gatewaysMax: config.gatewaysMax,
    });
    const checkCertificates = certificateCheck(bus);
    const destinations = new Destinations({ journal, claims, options: config, checkCertificates });
    const serve = answererOf({
      bus: feeds.routes.attendance,
      queue: 'router',
      logger: this.#logger,
      metrics: this.#metrics,
    });
    const answered = answerQuestions(serve, {
      gateways,
      destinations,
      fleet,
      diagnosis: new Diagnosis({ bus, documents, presence }),
      release: ({ id, deletion, isOver }) =>
        isOver === true && deletion !== undefined
          ? takeReleaseBack(journal, id, deletion)
          : releaseCertificate(journal, id, deletion ?? null),
    });
    for (const subscription of answered) opened.adopt(subscription, close);
    const backup = await serveBackup({
      bus,
      store,
      source: backupSource(documents, feeds, claims),
      serve,
      onError,
      logger: this.#logger,
    });
    for (const subscription of backup) opened.adopt(subscription, close);
    const sweep = () => void this.#sweep(claims, documents);
    sweep();
    opened.adopt(setInterval(sweep, sweepIntervalMs).unref(), clearInterval);
    return { documents, feeds, presence, fleet, opened: opened.move() };
  }

  #count(): { clients: number; nodes: number } {
    return {
      clients: this.#running?.fleet.countAllClients() ?? 0,
      nodes: this.#running?.presence.nodes().length ?? 0,
    };
  }

  /** Makes what is missing where all documents were lost before they were restored. */
  async #reopen(): Promise<void> {
    try {
      await openDocuments(this.#parts.store, { signal: this.#stopping.signal });
    } catch (error) {
      this.#logger.warn(
        { error },
        'the indexes of the restored documents could not be made; a restart makes them',
      );
    }
  }

  async #sweep(claims: FrontClaims, documents: Documents): Promise<void> {
    try {
      const { store, now = Date.now } = this.#parts;
      const time = await timeOfAll(store, now());
      await claims.sweep(documents.fronts, time);
      await sweepReleased(documents.released, time);
      await sweepDeleted(documents.deleted, time);
    } catch (error) {
      if (this.#running !== null) this.#logger.warn({ error }, 'what is over could not be forgotten');
    }
  }
}
