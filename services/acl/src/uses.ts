/**
 * When security tokens and API keys were last used, to within ten minutes: a token by a first call or by a tunnel that is
 * up, a key by a call of the admin API. So there is no more than one write in that time for each, by each replica, and
 * nobody waits for it. It stands beside the tokens and keys, whose revisions are of what was asked for. What cannot be
 * written is noted anew with the next use.
 */
import type { Logger } from '@postern/telemetry';
import { every } from '@postern/store';
import type { Documents } from './document.ts';

const coarseMs = 600_000;

/** The uses that acl has heard of. */
export class Uses {
  readonly #documents: Documents;
  readonly #logger: Logger;
  readonly #now: () => number;
  /** When this process noted the last one of each, for as long as no other is noted. */
  readonly #noted = new Map<string, number>();
  readonly #unwritten = new Set<string>();
  #writing: Promise<void> | null = null;

  constructor(parts: { documents: Documents; logger: Logger; now: () => number }) {
    this.#documents = parts.documents;
    this.#logger = parts.logger;
    this.#now = parts.now;
  }

  /** The token or key of this ID is being used. */
  note(id: string): void {
    const now = this.#now();
    if (now - (this.#noted.get(id) ?? -Infinity) < coarseMs) return;
    this.#noted.set(id, now);
    this.#unwritten.add(id);
    this.#writing ??= this.#write().finally(() => {
      this.#writing = null;
    });
  }

  /** When it was used last; null where that is not known. */
  async lastUsedAt(id: string): Promise<string | null> {
    const stored = (await this.#documents.uses.get(id))?.lastUsedAt ?? null;
    const noted = this.#noted.get(id);
    if (noted === undefined || (stored !== null && Date.parse(stored) >= noted)) return stored;
    return new Date(noted).toISOString();
  }

  /** Forgets those of tokens that are gone and of keys that are not among these. */
  async sweep(isKey: (id: string) => Promise<boolean>): Promise<void> {
    const now = this.#now();
    for (const [id, at] of this.#noted) if (now - at >= coarseMs) this.#noted.delete(id);
    const { uses, tokens } = this.#documents;
    for await (const { id } of every(uses)) {
      if ((await tokens.get(id)) === null && !(await isKey(id))) await uses.delete(id);
    }
  }

  /** Resolves when all is written, or cannot be. */
  async stop(): Promise<void> {
    await this.#writing;
  }

  /** One after the other: thousands of clients may come back at once, and this can wait. */
  async #write(): Promise<void> {
    try {
      for (const id of this.#unwritten) {
        const lastUsedAt = new Date(this.#noted.get(id) ?? this.#now()).toISOString();
        await this.#documents.uses.put({ id, revision: 1, lastUsedAt });
        this.#unwritten.delete(id);
      }
    } catch (error) {
      this.#logger.warn({ error }, 'when tokens and API keys were last used could not be stored');
      for (const id of this.#unwritten) this.#noted.delete(id);
      this.#unwritten.clear();
    }
  }
}
