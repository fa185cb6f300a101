/**
 * Watches certificates come to their end: when one passes 30, 14, 7, 1 days, or ends, that is told once, by one of the
 * replicas, in a notice and in the log; and what is near its end is in the metrics as long as it is. Who has been told
 * what is kept apart from the certificate, so that its revision stays as its operator left it. New contents begin anew.
 *
 * A look reads all certificates, so one is due only when they were changed, by whichever replica, or when the next of them
 * comes to a bound: what was replaced is out of the metrics at once, and what lives for minutes is told in its time.
 */
import type { Bus } from '@postern/bus';
import { announce, certificateExpires, expiryWarningDays } from '@postern/contracts';
import type { FeedOwner } from '@postern/replica';
import { type Collection, type Store, StoreError, type StoredDocument, every } from '@postern/store';
import type { Logger } from '@postern/telemetry';
import type { CertificateDocument, Documents } from './document.ts';
import { expiryBound } from './upload/fitness.ts';
import type { Usage } from './usage.ts';

const dayMs = 86_400_000;
/** Clocks of replicas differ; what was told later than that from now was told by one that was wrong. */
const clockSkewMs = 3_600_000;

/** What was told of a certificate last. */
interface ToldDocument extends StoredDocument {
  contentRevision: number;
  days: number;
  /** When; not there of what an earlier version told. */
  at?: string;
}

/** A certificate that is near its end. */
export interface Expiring {
  readonly id: string;
  readonly name: string;
  readonly notAfter: Date;
}

/** What it needs. */
export interface ExpiryWatchParts {
  readonly bus: Bus;
  readonly store: Store;
  readonly documents: Documents;
  readonly usage: Usage;
  /** Its position tells whether a certificate was changed. */
  readonly feed: Pick<FeedOwner, 'position'>;
  readonly logger: Logger;
  readonly now: () => Date;
}

/** Looks when it is asked to. */
export class ExpiryWatch {
  readonly #parts: ExpiryWatchParts;
  #expiring: Expiring[] = [];
  /** Where the feed stood at the last look. */
  #looked = '';
  /** When the next certificate comes to a bound, in milliseconds since 1970. */
  #nextAt = 0;
  #isLooking = false;

  constructor(parts: ExpiryWatchParts) {
    this.#parts = parts;
  }

  /** Those that end within the longest of `expiryWarningDays`, as of the last look. */
  get expiring(): readonly Expiring[] {
    return this.#expiring;
  }

  /** Looks where that may bring news; not where another such look has not come to its end. */
  async lookWhenDue(): Promise<void> {
    if (this.#isLooking) return;
    if (this.#looked === this.#position() && this.#parts.now().getTime() < this.#nextAt) return;
    this.#isLooking = true;
    try {
      await this.look();
    } finally {
      this.#isLooking = false;
    }
  }

  /** Goes through all certificates and tells what has not been told. */
  async look(): Promise<void> {
    const { store, documents, usage, now } = this.#parts;
    // Before what it tells of is read: a change meanwhile is looked at again.
    const position = this.#position();
    let nextAt = Infinity;
    const told = await store.collection<ToldDocument>('certstore_expiry');
    const expiring: Expiring[] = [];
    const news: [document: CertificateDocument, days: number][] = [];
    for await (const document of every(documents.certificates)) {
      nextAt = Math.min(nextAt, nextBoundAt(document.notAfter, now()));
      const days = expiryBound(document.notAfter, now());
      if (days === null) continue;
      expiring.push({ id: document.id, name: document.name, notAfter: new Date(document.notAfter) });
      if (await claim(told, document, days, now())) news.push([document, days]);
    }
    await forgetGone(told, documents);
    // It is told once, so it is to name who uses the certificate, also at a start.
    if (news.length > 0) await usage.refresh();
    for (const [document, days] of news) this.#tell(document, days);
    this.#expiring = expiring;
    this.#looked = position;
    this.#nextAt = nextAt;
  }

  #position(): string {
    const { epoch, revision } = this.#parts.feed.position;
    return `${epoch} ${revision}`;
  }

  #tell({ id, name, contentRevision, notAfter }: CertificateDocument, days: number): void {
    const { bus, logger, usage, now } = this.#parts;
    const usedBy = usage.shown(id);
    announce(bus, certificateExpires, {
      id,
      name,
      contentRevision,
      notAfter,
      days,
      usedBy,
      at: now().toISOString(),
    });
    const facts = {
      certificateId: id,
      name,
      notAfter,
      usedBy: usedBy.map(({ destinationId }) => destinationId),
    };
    if (days === 0) logger.error(facts, 'a certificate has ended: replace it');
    else
      logger.warn(
        facts,
        `a certificate ends in less than ${days} ${days === 1 ? 'day' : 'days'}: replace it`,
      );
  }
}

/** When the certificate comes to the next of `expiryWarningDays`, or its end; never where that is past. */
function nextBoundAt(notAfter: string, now: Date): number {
  const bounds = [...expiryWarningDays, 0].map((days) => Date.parse(notAfter) - days * dayMs);
  return bounds.find((at) => at > now.getTime()) ?? Infinity;
}

/** What was told of certificates that are gone is of no use. */
async function forgetGone(told: Collection<ToldDocument>, { certificates }: Documents): Promise<void> {
  for await (const { id } of every(told)) if ((await certificates.get(id)) === null) await told.delete(id);
}

/** Whether it is for this replica to tell: another was not faster, and nothing as urgent was told before. */
async function claim(
  told: Collection<ToldDocument>,
  document: CertificateDocument,
  days: number,
  now: Date,
): Promise<boolean> {
  const { id, contentRevision } = document;
  const former = await told.get(id);
  const isWrong = Date.parse(former?.at ?? '') > now.getTime() + clockSkewMs;
  if (!isWrong && former?.contentRevision === contentRevision && former.days <= days) return false;
  const telling = { contentRevision, days, at: now.toISOString() };
  try {
    if (former === null) await told.insert({ id, revision: 1, ...telling });
    else await told.replace({ ...former, ...telling });
    return true;
  } catch (error) {
    if (error instanceof StoreError && ['STORE_DUPLICATE', 'STORE_STALE'].includes(error.code)) return false;
    throw error;
  }
}
