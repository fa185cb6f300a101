/**
 * What was deleted. Other owners drop for good what they hold of a gateway or destination, tokens and rules, so a bare "not
 * found" is not enough for them: a router that works with a wrong, an emptied or an earlier database does not find it
 * either. Hence each deletion is written down in the transaction that makes it, and told to who asks for what is gone.
 *
 * It is remembered for longer than another owner is away, or goes back by a restore; IDs are never used again.
 */
import type { Collection } from '@postern/store';
import { type DatedDocument, forgetUntil } from './document.ts';
import type { Draft } from './journal.ts';

const rememberedMs = 400 * 86_400_000;

/** Writes down that it is deleted; of a gateway this says it of its destinations too. */
export function rememberDeleted(draft: Draft, id: string, at: string): Promise<void> {
  return draft.deleted.put({ id, revision: 1, at });
}

/** Whether any of these was deleted. */
export async function wasDeleted(
  deleted: Collection<DatedDocument>,
  ...ids: readonly string[]
): Promise<boolean> {
  for (const id of ids) if ((await deleted.get(id)) !== null) return true;
  return false;
}

/** Forgets those that are long over. */
export function sweepDeleted(deleted: Collection<DatedDocument>, now: number): Promise<void> {
  return forgetUntil(deleted, now - rememberedMs);
}
