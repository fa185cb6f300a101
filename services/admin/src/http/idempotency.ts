/**
 * `Idempotency-Key`: a POST that is repeated with the same key is answered as the first time and not done again. The
 * records are in a collection that admin owns, because a caller whose answer was lost may meet another replica.
 *
 *   first request ──► insert "running" ──► done ──► "answered", with the answer
 *                          │  the unique key lets one in     │
 *   repeat ────────────────┴─► running: 409                  └─► the same answer
 *
 * An answer may show a token that is shown only once. So it is kept sealed under a key made of the caller's API key
 * and the idempotency key, and neither is stored: whoever reads the database learns nothing.
 * A record whose first request ended in doubt (time-out, crash) is not run again: the caller is told to look.
 */
import { createCipheriv, createDecipheriv, createHash, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import type { ServiceError } from '@postern/contracts';
import { newId, type Collection, type Store, type StoredDocument } from '@postern/store';
import { adminError, isWithoutEffect } from '../errors.ts';

/** One request with its key, as it is stored. */
export interface IdempotencyRecord extends StoredDocument {
  /** Made from API key ID and idempotency key. */
  keyHash: string;
  /** The API key's ID, whose share it counts for. */
  apiKeyId: string;
  /** Made from method, path and body, with a key that is not stored. */
  fingerprint: string;
  startedAt: number;
  /** The sealed answer, or null while there is none. */
  sealed: string | null;
}

/** What is answered again. */
export interface KeptAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Who asks for what, under which idempotency key. */
export interface KeyedRequest {
  readonly idempotencyKey: string;
  readonly apiKeyId: string;
  /** The API key itself; used to seal and forgotten. */
  readonly apiKey: string;
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
}

/** Bounds of the collection. */
export interface IdempotencyOptions {
  readonly store: Store;
  readonly recordsMax: number;
  readonly lifeMs: number;
  readonly now?: () => number;
  readonly onError: (error: unknown) => void;
}

const sweepItemsMax = 200;
/** One API key may hold this part of all records, so that none keeps the others from repeating. */
const shareOfKey = 1 / 4;

/** Keeps records for their life. */
export class IdempotencyKeeper {
  readonly #options: IdempotencyOptions;
  readonly #now: () => number;
  readonly #records: Collection<IdempotencyRecord>;

  private constructor(options: IdempotencyOptions, records: Collection<IdempotencyRecord>) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#records = records;
  }

  /** Opens the collection. */
  static async open(options: IdempotencyOptions): Promise<IdempotencyKeeper> {
    const records = await options.store.collection<IdempotencyRecord>('admin_idempotency', {
      unique: [['keyHash']],
      indexes: [['apiKeyId']],
    });
    return new IdempotencyKeeper(options, records);
  }

  /**
   * Does the work once. Rejects with `ADMIN_IDEMPOTENCY_RUNNING` while the first is at it, `ADMIN_IDEMPOTENCY_OTHER`
   * when the key was used for another request, `ADMIN_IDEMPOTENCY_UNKNOWN` when nobody knows how the first ended,
   * `ADMIN_IDEMPOTENCY_FULL` when as many records as allowed are kept.
   */
  async once(request: KeyedRequest, work: () => Promise<KeptAnswer>): Promise<KeptAnswer> {
    const secret = sealingKey(request);
    const keyHash = hashOf(request.apiKeyId, request.idempotencyKey);
    const fingerprint = fingerprintOf(secret, request);
    const record = await this.#begin(keyHash, fingerprint, request.apiKeyId);
    if (record === null) return this.#repeat(keyHash, fingerprint, secret);
    const answer = await this.#run(record, work);
    await this.#finish({ ...record, sealed: sealAnswer(secret, keyHash, answer) });
    return answer;
  }

  /** The work is done whether or not its answer can be kept, so a failure to keep it is not the caller's. */
  async #finish(record: IdempotencyRecord): Promise<void> {
    try {
      await this.#records.replace(record);
    } catch (error) {
      this.#options.onError(error);
    }
  }

  /** Forgets what is older than its life, the oldest first; called now and then by one replica or all. */
  async sweep(): Promise<void> {
    for (;;) {
      const { items } = await this.#records.list({ limit: sweepItemsMax });
      const old = items.filter((record) => this.#isOver(record));
      for (const record of old) await this.#records.delete(record.id);
      // IDs sort by time: where one page has something young, nothing old comes after it.
      if (old.length < sweepItemsMax) return;
    }
  }

  /** The record of a first request, or null when there is one already. */
  async #begin(keyHash: string, fingerprint: string, apiKeyId: string): Promise<IdempotencyRecord | null> {
    const existing = await this.#records.find({ keyHash });
    if (existing !== null) {
      if (!this.#isOver(existing)) return null;
      await this.#records.delete(existing.id, existing.revision);
    } else if (await this.#isFull(apiKeyId)) {
      throw adminError(
        'ADMIN_IDEMPOTENCY_FULL',
        'as many idempotency keys as allowed are kept; send the request without one, or later',
      );
    }
    try {
      const startedAt = this.#now();
      const record = { id: newId(), revision: 1, keyHash, apiKeyId, fingerprint, startedAt, sealed: null };
      return await this.#records.insert(record);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'STORE_DUPLICATE') return null;
      throw error;
    }
  }

  async #isFull(apiKeyId: string): Promise<boolean> {
    const { recordsMax } = this.#options;
    const [all, own] = await Promise.all([this.#records.count(), this.#records.count({ apiKeyId })]);
    return all >= recordsMax || own >= Math.ceil(recordsMax * shareOfKey);
  }

  async #run(record: IdempotencyRecord, work: () => Promise<KeptAnswer>): Promise<KeptAnswer> {
    try {
      return await work();
    } catch (error) {
      // The same key may be tried again.
      if (isWithoutEffect(error)) await this.#records.delete(record.id).catch(this.#options.onError);
      throw error;
    }
  }

  async #repeat(keyHash: string, fingerprint: string, secret: Buffer): Promise<KeptAnswer> {
    const record = await this.#records.find({ keyHash });
    if (record === null) throw running();
    if (record.fingerprint !== fingerprint) {
      throw adminError(
        'ADMIN_IDEMPOTENCY_OTHER',
        'this Idempotency-Key was used for another request: take a new one',
      );
    }
    if (record.sealed !== null) return openAnswer(secret, keyHash, record.sealed);
    if (this.#now() - record.startedAt < runningMsMax) throw running();
    throw adminError(
      'ADMIN_IDEMPOTENCY_UNKNOWN',
      'the first request with this Idempotency-Key was cut short: look whether it was done, then take a new key',
    );
  }

  #isOver(record: IdempotencyRecord): boolean {
    return this.#now() - record.startedAt >= this.#options.lifeMs;
  }
}

/** Longer than any call may take. */
const runningMsMax = 60_000;

function running(): ServiceError {
  return adminError(
    'ADMIN_IDEMPOTENCY_RUNNING',
    'the first request with this Idempotency-Key is still running',
  );
}

function sealingKey(request: KeyedRequest): Buffer {
  return Buffer.from(hkdfSync('sha256', request.apiKey, request.idempotencyKey, 'postern idempotency', 32));
}

function hashOf(...parts: string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url');
}

function fingerprintOf(secret: Buffer, { method, path, body }: KeyedRequest): string {
  const text = JSON.stringify([method, path, body ?? null]);
  return createHmac('sha256', secret).update(text).digest('base64url');
}

function sealAnswer(secret: Buffer, keyHash: string, answer: KeptAnswer): string {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', secret, nonce).setAAD(Buffer.from(keyHash));
  const sealed = [cipher.update(JSON.stringify(answer), 'utf8'), cipher.final()];
  return Buffer.concat([nonce, cipher.getAuthTag(), ...sealed]).toString('base64');
}

function openAnswer(secret: Buffer, keyHash: string, sealed: string): KeptAnswer {
  const bytes = Buffer.from(sealed, 'base64');
  const decipher = createDecipheriv('aes-256-gcm', secret, bytes.subarray(0, 12), { authTagLength: 16 })
    .setAAD(Buffer.from(keyHash))
    .setAuthTag(bytes.subarray(12, 28));
  const text = Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]);
  return JSON.parse(text.toString('utf8')) as KeptAnswer;
}
