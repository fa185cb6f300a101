/**
 * The certificates that this node serves with: contents and keys of those that its routes name, in memory only. They are
 * fetched when a route begins to name them, again when certstore has others, and dropped when no route does any more.
 * When certstore is gone the node goes on with what it has.
 *
 *   routes ──names──► wanted ──question, 8 at most──► certstore
 *   feed certstore.certificates ──revision──┘            │ sealed to this node
 *                                    get(id) ◄── held ◄──┘── observe(id)
 *
 * One question at a time; what failed is asked again with growing pauses, and at once when routes or revisions change.
 */
import { once } from 'node:events';
import type { Bus } from '@postern/bus';
import {
  type CertificateRecord,
  type Material,
  type MaterialRefusal,
  type Route,
  certificateFeed,
  certificateUses,
  isPasswordId,
  sessionTicketsId,
  materialsPerQuestionMax,
} from '@postern/contracts';
import { FeedFollower } from '@postern/replica';
import type { Logger } from '@postern/telemetry';
import { EdgeError } from '../errors.ts';
import type { MaterialDesk } from './material-desk.ts';

const retryDelayMs = { min: 250, max: 10_000 };
/** How often certstore is asked whether the secret of session tickets is another, and again where it gave none. */
const sessionTicketsMs = { known: 300_000, unknown: 5_000 };

/** What the cache needs. */
export interface CertificatesParts {
  readonly bus: Bus;
  readonly desk: Pick<MaterialDesk, 'forNode'>;
  readonly logger: Logger;
  /** certstore has other contents of a certificate, whoever needs it. */
  readonly onRevision?: (id: string) => void;
  /** Behind all of one change. */
  readonly onChange?: () => void;
}

/** What is held, by certificate ID. */
export class Certificates {
  readonly #parts: CertificatesParts;
  readonly #feed: FeedFollower<typeof CertificateRecord>;
  readonly #byRoute = new Map<string, readonly string[]>();
  /** How many places name it. */
  readonly #wanted = new Map<string, number>();
  readonly #held = new Map<string, Material>();
  readonly #refused = new Map<string, MaterialRefusal>();
  readonly #observers = new Set<(id: string) => void>();
  readonly #settled = Promise.withResolvers<void>();
  #changes = 0;
  #running = false;
  /** Resolves when nothing is fetched any more. */
  #fetching: Promise<void> | null = null;
  #again = false;
  /** The last fetch did not bring all. */
  #isLacking = false;
  #delayMs = retryDelayMs.min;
  #timer: NodeJS.Timeout | undefined;
  #ticketsTimer: NodeJS.Timeout | undefined;
  #sessionTickets: { revision: number; secret: string } | null = null;

  constructor(parts: CertificatesParts) {
    this.#parts = parts;
    const { bus, logger } = parts;
    this.#feed = new FeedFollower({
      feed: certificateFeed,
      bus,
      onError: (error) => logger.debug({ error }, 'certstore did not give its list of certificates'),
      onChange: ({ changed, deleted }) => {
        this.#changes += 1;
        for (const { id } of [...deleted, ...changed.map(({ now }) => now)]) parts.onRevision?.(id);
        parts.onChange?.();
        this.#fetchSoon();
      },
    });
  }

  /** Begins to follow and to fetch. Resolves when every certificate that the routes name was fetched or refused once. */
  async start(signal: AbortSignal): Promise<void> {
    this.#running = true;
    this.#feed.start();
    // Nothing waits for it: without a secret of the cluster each node has its own.
    void this.#fetchSessionTickets();
    void this.#feed.synced.then(() => this.#fetchSoon());
    await Promise.race([once(signal, 'abort'), this.#settled.promise]);
  }

  /** Resolves when what routes name is here as certstore has it now, or was refused, or could not be asked for. */
  async catchUp(): Promise<void> {
    await this.#feed.refreshed();
    await this.#fetching;
  }

  /** Whether something has changed that could not be fetched: what certstore has, or contents of it. */
  get isBehind(): boolean {
    // Where none are held the front says why they were refused.
    const counts = (id: string): boolean => this.#held.has(id) || !this.#refused.has(id);
    return this.#feed.isBehind || (this.#isLacking && this.#missing().some(counts));
  }

  /** Drops everything, and what is still on its way. */
  async stop(): Promise<void> {
    this.#running = false;
    clearTimeout(this.#timer);
    clearTimeout(this.#ticketsTimer);
    for (const all of [this.#byRoute, this.#wanted, this.#held, this.#refused]) all.clear();
    await this.#feed.stop();
  }

  /** The contents to serve with now; undefined while there are none. */
  get(id: string): Material | undefined {
    return this.#held.get(id);
  }

  /** The contents of all of these, for a dial of this node; rejects with `EDGE_CERTIFICATE_MISSING` that says why. */
  async source(ids: readonly string[]): Promise<Material[]> {
    return ids.map((id) => {
      const held = this.#held.get(id);
      if (held !== undefined) return held;
      const why = this.#refused.get(id)?.message ?? 'it has not come from certstore yet';
      throw new EdgeError('EDGE_CERTIFICATE_MISSING', `the certificate ${id} is not at this node: ${why}`);
    });
  }

  /** The secret of which the keys of session tickets are made, and its period; null while there is none. */
  get sessionTickets(): { revision: number; secret: string } | null {
    return this.#sessionTickets;
  }

  /** Why there are none. */
  refusal(id: string): MaterialRefusal | undefined {
    return this.#refused.get(id);
  }

  /** How often certstore has had other contents of any. */
  get changes(): number {
    return this.#changes;
  }

  /** The revision of the contents that certstore has, also of certificates that only clients need. */
  revision(id: string): number | undefined {
    if (isPasswordId(id)) return 1;
    return this.#feed.get(id)?.contentRevision;
  }

  /** Calls back with the ID of each certificate that came, changed or went away, until what it returns is called. */
  observe(observer: (id: string) => void): () => void {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }

  /** A route is new or another; undefined when it is gone. */
  handleRoute(id: string, route: Route | undefined): void {
    const before = this.#byRoute.get(id) ?? [];
    const now = route === undefined ? [] : nodeCertificates(route);
    if (now.length === 0) this.#byRoute.delete(id);
    else this.#byRoute.set(id, now);
    for (const one of now) this.#wanted.set(one, (this.#wanted.get(one) ?? 0) + 1);
    for (const one of before) this.#release(one);
    if (now.length > 0) this.#fetchSoon();
  }

  /** What `/status` shows: never contents. */
  status(): { wanted: number; held: object[]; refused: MaterialRefusal[] } {
    return {
      wanted: this.#wanted.size,
      held: [...this.#held.values()].map(({ id, revision, fingerprint, notAfter }) => ({
        id,
        revision,
        fingerprint,
        notAfter,
      })),
      refused: [...this.#refused.values()],
    };
  }

  #release(id: string): void {
    const count = (this.#wanted.get(id) ?? 0) - 1;
    if (count > 0) {
      this.#wanted.set(id, count);
      return;
    }
    this.#wanted.delete(id);
    this.#refused.delete(id);
    if (this.#held.delete(id)) this.#tell(id);
  }

  #fetchSoon(): void {
    this.#delayMs = retryDelayMs.min;
    this.#again = true;
    clearTimeout(this.#timer);
    if (this.#running) this.#fetching ??= this.#fetch();
  }

  async #fetch(): Promise<void> {
    await Promise.resolve(); // Where nothing is missing it would else be over before #fetching has it.
    let failed = false;
    while (this.#again && this.#running) {
      this.#again = false;
      failed = false;
      for (const ids of batches(this.#missing())) {
        try {
          this.#take(await this.#parts.desk.forNode(ids));
        } catch (error) {
          this.#parts.logger.warn({ error, ids }, 'certstore gave no contents of certificates; asking again');
          failed = true;
          break;
        }
      }
    }
    this.#fetching = null;
    if (!this.#running) return;
    if (!failed && this.#feed.isSynced) this.#settled.resolve();
    this.#isLacking = failed || this.#missing().length > 0;
    if (this.#isLacking) this.#retryLater();
  }

  async #fetchSessionTickets(): Promise<void> {
    try {
      const { items } = await this.#parts.desk.forNode([sessionTicketsId]);
      const { revision = 0, sessionTickets: secret } = items[0] ?? {};
      if (secret !== undefined && revision !== this.#sessionTickets?.revision)
        this.#sessionTickets = { revision, secret };
    } catch (error) {
      this.#parts.logger.debug({ error }, 'certstore gave no secret for session tickets; asking again');
    }
    if (!this.#running) return;
    const ms = this.#sessionTickets === null ? sessionTicketsMs.unknown : sessionTicketsMs.known;
    this.#ticketsTimer = setTimeout(() => void this.#fetchSessionTickets(), ms).unref();
  }

  #retryLater(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#again = true;
      this.#fetching ??= this.#fetch();
    }, this.#delayMs).unref();
    this.#delayMs = Math.min(this.#delayMs * 2, retryDelayMs.max);
  }

  /** Those that routes name and that are not here in the version that certstore has: an older one too, after a restore. */
  #missing(): string[] {
    return [...this.#wanted.keys()].filter((id) => {
      const held = this.#held.get(id);
      const revision = this.revision(id);
      return held === undefined || (revision !== undefined && held.revision !== revision);
    });
  }

  #take({ items, refused }: { items: Material[]; refused: MaterialRefusal[] }): void {
    for (const item of items) {
      if (!this.#wanted.has(item.id)) continue;
      this.#refused.delete(item.id);
      const former = this.#held.get(item.id);
      if (former?.revision === item.revision) continue;
      this.#held.set(item.id, item);
      const { id, revision, fingerprint, notAfter } = item;
      this.#parts.logger.info(
        { certificateId: id, revision, fingerprint, notAfter },
        'serving with a certificate',
      );
      this.#tell(id);
    }
    for (const refusal of refused) {
      if (this.#wanted.has(refusal.id) && this.#refused.get(refusal.id)?.code !== refusal.code) {
        const { id: certificateId, code, message } = refusal;
        this.#parts.logger.warn({ certificateId, code }, `certstore gives no contents: ${message}`);
      }
      if (this.#wanted.has(refusal.id)) this.#refused.set(refusal.id, refusal);
    }
  }

  #tell(id: string): void {
    for (const observer of this.#observers) observer(id);
  }
}

function nodeCertificates(route: Route): string[] {
  return certificateUses(route)
    .filter(({ holder }) => holder === 'node')
    .map(({ id }) => id);
}

function* batches(ids: readonly string[]): Iterable<string[]> {
  for (let index = 0; index < ids.length; index += materialsPerQuestionMax) {
    yield ids.slice(index, index + materialsPerQuestionMax);
  }
}
