/**
 * Brings every secret under the newest key-encryption key, while all goes on. Each document is sealed anew by itself
 * and put back only if nobody changed it meanwhile, so it may be interrupted at any point: what is done is done, the
 * rest is still under its old key, and the next start finds it. Several replicas may do it at once; they only lose to
 * each other. A secret whose key is not here, or that is damaged, is left as it is, and told.
 *
 *   waiting ──► running ──► done     (waiting: what is left cannot be opened; tried again)
 */
import type { KeyRotation } from '@postern/contracts';
import { type Collection, type Store, StoreError } from '@postern/store';
import { sealSecret } from './envelope.ts';
import type { KeyRing } from './key-ring.ts';
import { type SealedDocument, keyIdOf, openDocument, placeOf, sealedCollections } from './sealed-document.ts';

const retryMs = 5_000;
const pageItems = 100;

/** What it needs. */
export interface RotationParts {
  readonly store: Pick<Store, 'collection'>;
  readonly ring: KeyRing;
  readonly onProgress: (progress: KeyRotation) => void;
  readonly onError: (error: unknown) => void;
  /** Called before each document; tests stop there. */
  readonly onDocument?: (id: string) => Promise<void>;
}

/** One for the process. */
export class Rotation {
  readonly #parts: RotationParts;
  /** Until all was counted once, nothing is called done. */
  #progress: Pick<KeyRotation, 'state' | 'total' | 'left' | 'fault'> = {
    state: 'running',
    total: 0,
    left: 0,
    fault: null,
  };
  /** What the last round could not open. */
  #unopened: { count: number; fault: string | null } = { count: 0, fault: null };
  #running: Promise<void> | null = null;
  #stopped = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: RotationParts) {
    this.#parts = parts;
  }

  /** As it is shown. */
  get progress(): KeyRotation {
    const { ring } = this.#parts;
    return { keyId: ring.keyId, keyIds: ring.keyIds, ...this.#progress };
  }

  /** As it is in the store now, whichever replica does the work. */
  async current(): Promise<KeyRotation> {
    await this.#count();
    return this.progress;
  }

  /** Reads the keys anew, counts, and begins where something is left to do. Resolves when that is known. */
  async start(): Promise<KeyRotation> {
    const { ring } = this.#parts;
    await ring.reload();
    await this.#count();
    this.#run();
    return this.progress;
  }

  /** Counts anew and goes on where something is left. */
  async resume(): Promise<KeyRotation> {
    await this.#count();
    this.#run();
    return this.progress;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  #run(): void {
    if (this.#stopped || this.#progress.left === 0 || this.#running !== null) return;
    clearTimeout(this.#timer);
    this.#running = this.#sealAll();
  }

  async #sealAll(): Promise<void> {
    const { ring, onError, onProgress } = this.#parts;
    this.#unopened = { count: 0, fault: null };
    try {
      // A transit server may have another version by now.
      await ring.reload();
      for (const name of sealedCollections)
        await this.#eachOf(name, (one, documents) => this.#sealOne(name, one, documents));
      await this.#count();
    } catch (error) {
      this.#progress = {
        ...this.#progress,
        state: 'waiting',
        fault: faultOf(error),
      };
      onError(error);
    }
    // In the same turn as the timer: who asks for a round from here on begins one, or finds the timer that does.
    this.#running = null;
    onProgress(this.progress);
    if (!this.#stopped && this.#progress.left > 0) {
      this.#timer = setTimeout(() => this.#run(), retryMs).unref();
    }
  }

  async #sealOne(
    name: string,
    document: SealedDocument,
    documents: Collection<SealedDocument>,
  ): Promise<void> {
    const { ring, onDocument } = this.#parts;
    if (this.#stopped) return;
    let secret: Buffer;
    try {
      if (keyIdOf(name, document) === ring.keyId) return;
      await onDocument?.(document.id);
      secret = await openDocument(ring, name, document);
    } catch (error) {
      this.#unopened = { count: this.#unopened.count + 1, fault: faultOf(error) };
      this.#parts.onError(error);
      return;
    }
    const sealed = await sealSecret(ring, placeOf(name, document), secret);
    secret.fill(0);
    try {
      await documents.replace({
        ...document,
        ...(document.sealed === undefined ? { sealedKey: sealed } : { sealed }),
      });
      this.#progress = { ...this.#progress, left: Math.max(0, this.#progress.left - 1) };
    } catch (error) {
      // Changed or deleted meanwhile: what is there now is under the newest key, or gone.
      if (!(error instanceof StoreError) || !['STORE_STALE', 'STORE_NOT_FOUND'].includes(error.code))
        throw error;
    }
  }

  async #count(): Promise<void> {
    const { ring } = this.#parts;
    let total = 0;
    let left = 0;
    let missing = 0;
    for (const name of sealedCollections) {
      await this.#eachOf(name, async (document) => {
        const keyId = knownKeyId(name, document);
        total += 1;
        if (keyId !== ring.keyId) left += 1;
        if (keyId !== null && !ring.isFor(keyId)) missing += 1;
      });
    }
    // Stopped in the middle, what was not counted would look done.
    if (this.#stopped) return;
    const { count: unopened, fault: lastFault } = this.#unopened;
    const missingFault =
      missing === 0 ? null : `${missing} secrets are under a key that this certstore does not have`;
    const fault = left === 0 ? null : (missingFault ?? lastFault);
    const state = left === 0 ? 'done' : left <= Math.max(missing, unopened) ? 'waiting' : 'running';
    this.#progress = { state, total, left, fault };
  }

  async #eachOf(
    name: string,
    work: (document: SealedDocument, documents: Collection<SealedDocument>) => Promise<void>,
  ): Promise<void> {
    const documents = await this.#parts.store.collection<SealedDocument>(name);
    for (let cursor: string | null = null; !this.#stopped;) {
      const page: Awaited<ReturnType<typeof documents.list>> = await documents.list({
        cursor,
        limit: pageItems,
      });
      for (const document of page.items) await work(document, documents);
      cursor = page.nextCursor;
      if (cursor === null) return;
    }
  }
}

/** Null of a damaged one: it is left, and the round that tries to open it says why. */
function knownKeyId(collection: string, document: SealedDocument): string | null {
  try {
    return keyIdOf(collection, document);
  } catch {
    return null;
  }
}

function faultOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown';
}
