/**
 * acl, put together. The order of the start matters: the documents are opened and what is over is forgotten, the key that
 * signs tickets is made and its public half stored, and only then questions are answered; so every ticket that is
 * ever given can be verified. It needs the router for gateways that it has not heard of yet, and for nothing else:
 * with the router gone, known clients connect as before.
 */
import { serveBackup } from '@postern/backup';
import type { Bus, Subscription } from '@postern/bus';
import {
  answererOf,
  gatewayFeed,
  policyFeed,
  routeFeed,
  type AccessRule,
  type GatewayRecord,
} from '@postern/contracts';
import { FeedFollower, FeedOwner, PresenceTable } from '@postern/replica';
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
import { AccessLists } from './access-lists.ts';
import { ApiKeys } from './api-keys.ts';
import type { AclOptions } from './config.ts';
import { backupSource } from './backup.ts';
import { openDocuments } from './document.ts';
import { Journal } from './journal.ts';
import { aclMetrics, type AclMetrics } from './metrics.ts';
import { Policies, policySource } from './policies.ts';
import { answerQuestions } from './questions.ts';
import { Sessions } from './sessions.ts';
import { SourceRules } from './source-rules.ts';
import { TicketKeys } from './ticket-keys.ts';
import { Tokens } from './tokens.ts';
import { Upkeep, retryIntervalMs, type UpkeepParts } from './upkeep.ts';
import { Uses } from './uses.ts';

const dayMs = 86_400_000;
const sweepIntervalMs = 3_600_000;
const surveyIntervalMs = 600_000;
const usesIntervalMs = 60_000;

/** What an acl is made of. */
export interface AclParts {
  readonly bus: Bus;
  readonly store: Store;
  readonly config: AclOptions;
  readonly logger?: Logger;
  readonly metrics?: Metrics;
  readonly now?: () => number;
}

/** Makes an acl; `start` brings it to life. */
export function createAcl(parts: AclParts): Service {
  return new Acl(parts);
}

/** What lives from start to stop. */
interface Running {
  policies: FeedOwner;
  tokens: Tokens;
  gateways: FeedFollower<typeof GatewayRecord>;
  upkeep: Upkeep;
  /** What a stop closes, in reverse. */
  opened: AsyncDisposableStack;
}

const stop = (one: Pick<Service, 'stop'>): Promise<void> => one.stop();
const close = (one: Subscription): void => one.close();

class Acl implements Service {
  readonly name = 'acl';
  readonly #parts: AclParts;
  readonly #logger: Logger;
  readonly #metrics: AclMetrics;
  readonly #stopping = new AbortController();
  #running: Running | null = null;

  constructor(parts: AclParts) {
    this.#parts = parts;
    this.#logger = subsystemLogger(parts.logger ?? silentLogger, 'acl');
    this.#metrics = aclMetrics(parts.metrics ?? new Metrics(), () => this.#running?.tokens.ending ?? []);
  }

  async start(): Promise<void> {
    const { signal } = this.#stopping;
    const onRetry = (error: unknown) =>
      this.#logger.warn({ error }, 'the documents are out of reach; trying again');
    const running = await untilReachable(() => this.#run(), { signal, onRetry });
    if (running === null) return;
    // Stopped meanwhile.
    if (signal.aborted) return running.opened.disposeAsync();
    this.#running = running;
    this.#logger.info({}, 'sessions are opened');
  }

  ready(): Readiness {
    return readyWhen({ bus: !this.#parts.bus.connected, documents: this.#running === null });
  }

  status(): unknown {
    const running = this.#running;
    return {
      policies: running?.policies.position ?? null,
      gateways: running?.gateways.items.size ?? 0,
      upkeepPending: running?.upkeep.pending ?? 0,
    };
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    const running = this.#running;
    this.#running = null;
    await running?.opened.disposeAsync();
  }

  /** Closes what it has opened when the rest fails. */
  async #run(): Promise<Running> {
    await using opened = new AsyncDisposableStack();
    const { bus, store, config, now = Date.now } = this.#parts;
    const { signal } = this.#stopping;
    const onProgress = (progress: object): void =>
      this.#logger.info(progress, 'brought documents up to date');
    const documents = await openDocuments(store, { signal, onProgress });
    const ticketKeys = new TicketKeys({ documents, ticketKeyHours: config.ticketKeyHours, now });
    await ticketKeys.signingKey();
    const feed = { feed: policyFeed, source: policySource(documents) };
    const owner = opened.adopt(
      await FeedOwner.open({
        ...feed,
        store,
        bus,
        onError: this.#told('policies could not be read'),
        onRestored: () => void this.#reopen(),
      }),
      stop,
    );
    const journal = new Journal({ store, bus, documents, policies: owner, now });
    const policies = new Policies({ journal, bus });
    const uses = opened.adopt(new Uses({ documents, logger: this.#logger, now }), stop);
    const { tokensPerGatewayMax, apiKeysMax } = config;
    const tokens = new Tokens({ journal, policies, tokensPerGatewayMax, uses });
    const firstApiKey = config.firstApiKey?.reveal() ?? null;
    const apiKeys = new ApiKeys({ journal, policies, apiKeysMax, firstApiKey, uses });
    const sourceRules = new SourceRules({ journal, bus });
    const presence = opened.adopt(
      new PresenceTable({ bus, onError: this.#told('the table of tunnels could not be fetched') }),
      stop,
    );
    presence.start();
    const answerers = {
      policies,
      sessions: new Sessions({ policies, tokens, keys: ticketKeys, now }),
      ticketKeys,
      tokens,
      sourceRules,
      accessLists: new AccessLists({
        journal,
        policies,
        ownLists: (gatewayId) => ownLists(presence, gatewayId),
      }),
      apiKeys,
    };
    const ofTunnels = setInterval(() => noteTunnels(presence, uses), usesIntervalMs);
    opened.adopt(ofTunnels.unref(), clearInterval);
    const owned = { documents, policies, sourceRules, tokens, apiKeys, ticketKeys, uses };
    const kept = this.#keepUp(owned, opened);
    await kept.upkeep.sweep();
    const serve = answererOf({
      bus: owner.attendance,
      queue: 'acl',
      logger: this.#logger,
      metrics: this.#metrics,
    });
    for (const subscription of answerQuestions(serve, this.#logger, answerers))
      opened.adopt(subscription, close);
    const backup = await serveBackup({
      bus,
      store,
      source: backupSource(documents, owner),
      serve,
      onError: this.#told('a piece of a backup could not be read'),
      logger: this.#logger,
    });
    for (const subscription of backup) opened.adopt(subscription, close);
    return { policies: owner, tokens, ...kept, opened: opened.move() };
  }

  #keepUp(
    owned: Omit<UpkeepParts, 'gateways' | 'routes' | 'rememberMs' | 'time' | 'logger'>,
    opened: AsyncDisposableStack,
  ): Pick<Running, 'gateways' | 'upkeep'> {
    const { bus, store, config, now = Date.now } = this.#parts;
    const onError = this.#told('what the router has could not be fetched');
    const gateways = new FeedFollower({
      feed: gatewayFeed,
      bus,
      onError,
      onChange: ({ changed, deleted }) =>
        upkeep.handleGateways([...changed.map(({ now }) => now.id), ...deleted.map(({ id }) => id)]),
    });
    const routes = new FeedFollower({
      feed: routeFeed,
      bus,
      onError,
      onChange: ({ deleted }) => upkeep.handleDeletedRoutes(deleted),
    });
    const rememberMs = config.forgetAfterDays * dayMs;
    const time = (): Promise<number> => timeOfAll(store, now());
    const upkeep = new Upkeep({ ...owned, gateways, routes, rememberMs, time, logger: this.#logger });
    opened.adopt(upkeep, stop);
    opened.adopt(gateways, stop).start();
    opened.adopt(routes, stop).start();
    void Promise.all([gateways.synced, routes.synced]).then(() => upkeep.survey());
    const timers = [
      setInterval(() => upkeep.retry(), retryIntervalMs),
      setInterval(() => upkeep.survey(), surveyIntervalMs),
      setInterval(() => void upkeep.sweep(), sweepIntervalMs),
    ];
    for (const timer of timers) opened.adopt(timer.unref(), clearInterval);
    return { gateways, upkeep };
  }

  /**
   * Makes what is missing where all documents were lost before they were restored, and has what was restored held to what
   * the restored router says.
   */
  async #reopen(): Promise<void> {
    this.#running?.upkeep.survey();
    await openDocuments(this.#parts.store, { signal: this.#stopping.signal }).catch(
      this.#told('the indexes of the restored documents could not be made; a restart makes them'),
    );
  }

  #told(what: string): (error: unknown) => void {
    return (error) => this.#logger.warn({ error }, what);
  }
}

/** A tunnel uses its token for as long as it is up. */
function noteTunnels(presence: PresenceTable, uses: Uses): void {
  for (const gatewayId of presence.gateways)
    for (const { tunnel } of presence.tunnels(gatewayId))
      if (tunnel.tokenId !== null) uses.note(tunnel.tokenId);
}

/** The own lists of a gateway's connected clients, one for each client: that of its newest tunnel, as it may be another after a restart. */
function ownLists(presence: PresenceTable, gatewayId: string): (readonly AccessRule[] | null)[] {
  const byAge = presence
    .tunnels(gatewayId)
    .toSorted((a, b) => Date.parse(a.tunnel.connectedAt) - Date.parse(b.tunnel.connectedAt));
  const byClient = new Map(byAge.map(({ tunnel }) => [tunnel.clientId, tunnel.ownRules]));
  return [...byClient.values()];
}
