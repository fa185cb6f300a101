/**
 * The secret of which nodes make the keys of TLS session tickets: one for the cluster, so that a caller's session goes on at
 * whichever node a balancer picks. Made by whichever replica is asked first after `periodMs`, stored like every secret,
 * and given to nodes alone; what was sealed under the former one is worth nothing from then on.
 */
import { randomBytes } from 'node:crypto';
import { StoreError } from '@postern/store';
import { type Documents, type SecretDocument, secretCollection } from '../document.ts';
import { openSecret, sealSecret } from '../secret/envelope.ts';
import type { KeyWrapper } from '../secret/key-wrapper.ts';

/** How long one is in use. */
export const sessionTicketPeriodMs = 12 * 3_600_000;
const secretBytes = 32;
const id = 'sessionTickets';

/** What it needs. */
export interface SessionTicketsParts {
  readonly documents: Pick<Documents, 'secrets'>;
  readonly wrapper: KeyWrapper;
  readonly now: () => Date;
}

/** The secret that is in use. */
export class SessionTickets {
  readonly #parts: SessionTicketsParts;

  constructor(parts: SessionTicketsParts) {
    this.#parts = parts;
  }

  /** The one of this period, base64, and the number of its period: the same from every replica. */
  async current(): Promise<{ revision: number; secret: string }> {
    const { documents, now } = this.#parts;
    const period = Math.floor(now().getTime() / sessionTicketPeriodMs);
    for (;;) {
      const stored = await documents.secrets.get(id);
      // A replica whose clock is ahead has been asked: nobody goes back, but from a clock that was plainly wrong.
      if (stored !== null && (stored.version === period || stored.version === period + 1))
        return this.#open(stored);
      try {
        await this.#make(period, stored);
      } catch (error) {
        // Another replica was first.
        if (!(error instanceof StoreError) || !takenCodes.has(error.code)) throw error;
      }
    }
  }

  async #make(version: number, former: SecretDocument | null): Promise<void> {
    const { documents, wrapper } = this.#parts;
    const secret = randomBytes(secretBytes);
    const sealed = await sealSecret(wrapper, { collection: secretCollection, id, version }, secret);
    secret.fill(0);
    if (former === null) await documents.secrets.insert({ id, revision: 1, version, sealed });
    else await documents.secrets.replace({ ...former, version, sealed });
  }

  async #open({ version, sealed }: SecretDocument): Promise<{ revision: number; secret: string }> {
    const place = { collection: secretCollection, id, version };
    const secret = await openSecret(this.#parts.wrapper, place, sealed);
    try {
      return { revision: version, secret: secret.toString('base64') };
    } finally {
      secret.fill(0);
    }
  }
}

const takenCodes: ReadonlySet<string> = new Set(['STORE_DUPLICATE', 'STORE_STALE', 'STORE_NOT_FOUND']);
