/**
 * Snapshots of an owner's documents, as they all were at one moment: read in one transaction, packed, and held in memory
 * until they were read or nobody asked for a while. At most `heldMax` at once; of more the oldest goes.
 */
import { type HeldBackupPart, backupPieceBytes } from '@postern/contracts';
import { type Store, every, newId, pageItemsMax } from '@postern/store';
import { backupError } from './errors.ts';
import { type Contents, packPart } from './part.ts';
import type { BackupSource } from './source.ts';

const heldMax = 2;
const idleMsMax = 60_000;
/** Shorter than those who ask wait. */
export const transactionMs = 25_000;

interface Held {
  readonly bytes: Buffer;
  timer: NodeJS.Timeout;
}

/** Those of one replica. */
export class Snapshots {
  readonly replica = newId();
  readonly #held = new Map<string, Held>();

  /** Takes one. */
  async take(store: Store, source: BackupSource): Promise<HeldBackupPart> {
    const contents = await readAll(store, source);
    const { bytes, part } = await packPart(source.room, source.collections, contents);
    return { ...part, keyIds: keyIdsOf(source, contents), handle: `${this.replica}.${this.#hold(bytes)}` };
  }

  /** A piece of one. Throws `BACKUP_SNAPSHOT_GONE`. */
  read(snapshot: string, offset: number): { data: string; nextOffset: number | null } {
    const held = this.#held.get(snapshot);
    if (held === undefined || offset >= held.bytes.length) {
      throw backupError('BACKUP_SNAPSHOT_GONE', 'this backup is not held any more: begin a new one');
    }
    held.timer.refresh();
    const end = Math.min(offset + backupPieceBytes, held.bytes.length);
    const nextOffset = end === held.bytes.length ? null : end;
    return { data: held.bytes.toString('base64', offset, end), nextOffset };
  }

  /** Lets all of them go. */
  stop(): void {
    for (const snapshot of this.#held.keys()) this.#drop(snapshot);
  }

  #hold(bytes: Buffer): string {
    const id = newId();
    const timer = setTimeout(() => this.#drop(id), idleMsMax).unref();
    this.#held.set(id, { bytes, timer });
    const [oldest] = this.#held.keys();
    if (this.#held.size > heldMax && oldest !== undefined) this.#drop(oldest);
    return id;
  }

  #drop(snapshot: string): void {
    clearTimeout(this.#held.get(snapshot)?.timer);
    this.#held.delete(snapshot);
  }
}

function readAll(store: Store, { collections }: BackupSource): Promise<Contents> {
  return store.transaction(
    async (within) => {
      const contents: Contents = new Map();
      for (const { collection } of collections) {
        const all = every(within(collection), { limit: pageItemsMax });
        contents.set(collection.name, await Array.fromAsync(all));
      }
      return contents;
    },
    { withinMs: transactionMs },
  );
}

function keyIdsOf({ keyIdOf }: BackupSource, contents: Contents): string[] {
  const ids = new Set<string>();
  for (const [name, documents] of contents) {
    for (const document of documents) {
      const id = keyIdOf?.(name, document) ?? null;
      if (id !== null) ids.add(id);
    }
  }
  return [...ids].sort();
}
