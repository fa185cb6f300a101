/**
 * The public keys that tickets are verified with, in memory. Fetched from acl before the node is ready, and anew when
 * a ticket names a key that is not here: acl makes a key at each start. Strangers can name any key, so there is one
 * question at a time and at most one each `refetchIntervalMs`; whoever asks in between is told what is known.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bus } from '@postern/bus';
import { ask, listTicketKeys } from '@postern/contracts';
import type { Logger } from '@postern/telemetry';
import { type CryptoKey, importJWK } from 'jose';

const keysMax = 256;
const fetchDeadlineMs = 2_000;
const retryDelayMs = 500;

/** The keys of acl. */
export class TicketKeys {
  readonly #bus: Bus;
  readonly #logger: Logger;
  readonly #refetchIntervalMs: number;
  #keys = new Map<string, CryptoKey>();
  #fetching: Promise<void> | null = null;
  #fetchedAt = -Infinity;
  #known = false;

  constructor(options: { bus: Bus; logger: Logger; refetchIntervalMs?: number }) {
    this.#bus = options.bus;
    this.#logger = options.logger;
    this.#refetchIntervalMs = options.refetchIntervalMs ?? 1_000;
  }

  /** Whether acl has answered once. */
  get known(): boolean {
    return this.#known;
  }

  /** How many keys are here. */
  get size(): number {
    return this.#keys.size;
  }

  /** Asks until acl has answered once, or the signal is aborted. */
  async start(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#fetch();
      if (this.#known) return;
      await sleep(retryDelayMs, undefined, { signal }).catch(() => {});
    }
  }

  /** The key of that name; asks acl when it is not here and the last question was not just now. */
  async find(kid: string): Promise<CryptoKey | undefined> {
    const key = this.#keys.get(kid);
    if (key !== undefined) return key;
    const due = performance.now() - this.#fetchedAt >= this.#refetchIntervalMs;
    if (this.#fetching !== null || due) await this.#fetch();
    return this.#keys.get(kid);
  }

  #fetch(): Promise<void> {
    this.#fetchedAt = performance.now();
    this.#fetching ??= this.#ask().finally(() => {
      this.#fetching = null;
    });
    return this.#fetching;
  }

  async #ask(): Promise<void> {
    try {
      const { keys } = await ask(this.#bus, listTicketKeys, {}, { deadlineMs: fetchDeadlineMs });
      const imported = new Map<string, CryptoKey>();
      for (const { kid, ...jwk } of keys.slice(0, keysMax)) {
        imported.set(kid, (await importJWK(jwk, 'EdDSA')) as CryptoKey);
      }
      this.#keys = imported;
      this.#known = true;
    } catch (error) {
      this.#logger.debug({ error }, 'acl did not give its ticket keys');
    }
  }
}
