/**
 * Certificates that are being deleted. certstore says whether a certificate is there before a destination that names it is
 * stored, and deletes one after it has looked at the routes; without this both could be right at once. A release and a
 * destination raise the same counter, so one of them comes first: a destination that is stored before is seen by
 * certstore's last look, and one that comes after sees the release and is refused. A deletion that is refused takes its
 * release back; the last of several that does ends it.
 *
 *   destination   checked ──────────────► stored, unless released
 *   deletion                 released ──► routes looked at ──► deleted, or named and the release taken back
 *
 * A release holds for longer than any change lasts that had its certificates checked before; then it is forgotten.
 */
import type { Collection } from '@postern/store';
import { type DatedDocument, type ReleasedDocument, forgetUntil } from './document.ts';
import { invalid } from './errors.ts';
import { type Naming, certificatesIn } from './certificate-check.ts';
import type { Draft, Journal } from './journal.ts';

const holdsMs = 600_000;
/** So many deletions of one certificate at once are told apart; with more of them none can take its release back. */
const deletionsMax = 64;

/** Sees to it that no destination comes to name the certificate. */
export async function releaseCertificate(
  journal: Journal,
  id: string,
  deletion: string | null,
): Promise<void> {
  await journal.change(async (draft) => {
    const found = await draft.released.get(id);
    const at = journal.time();
    const own = deletion === null ? null : [deletion];
    if (found === null) await draft.released.insert({ id, revision: 1, at, deletion: own });
    else {
      const others = isOver(found, Date.parse(at)) ? [] : deletionsOf(found);
      await draft.released.replace({ ...found, at, deletion: together(others, own) });
    }
  });
}

/** The deletion was refused: its release holds no longer, unless another deletion counts on it. */
export async function takeReleaseBack(journal: Journal, id: string, deletion: string): Promise<void> {
  await journal.change(async (draft) => {
    const found = await draft.released.get(id);
    const known = found === null ? null : deletionsOf(found);
    if (found === null || known === null) return;
    const left = known.filter((one) => one !== deletion);
    if (left.length === 0) await draft.released.delete(id, found.revision);
    else await draft.released.replace({ ...found, deletion: left });
  });
}

/** Null where not all are known. */
function deletionsOf({ deletion = null }: ReleasedDocument): readonly string[] | null {
  return typeof deletion === 'string' ? [deletion] : deletion;
}

function together(some: readonly string[] | null, others: readonly string[] | null): string[] | null {
  if (some === null || others === null) return null;
  const all = [...new Set([...some, ...others])];
  return all.length > deletionsMax ? null : all;
}

/** Throws `ROUTER_INVALID` where a certificate is named that is being deleted. */
export async function demandUnreleased(draft: Draft, naming: Naming, now: string): Promise<void> {
  for (const { id, field } of certificatesIn(naming)) {
    const found = await draft.released.get(id);
    if (found === null || isOver(found, Date.parse(now))) continue;
    const message = `names the certificate ${id}, which is being deleted`;
    throw invalid([{ path: field, message }]);
  }
}

/** Forgets those that hold no longer. */
export function sweepReleased(released: Collection<ReleasedDocument>, now: number): Promise<void> {
  return forgetUntil(released, now - holdsMs);
}

function isOver({ at }: DatedDocument, now: number): boolean {
  return Date.parse(at) + holdsMs <= now;
}
