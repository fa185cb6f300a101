/**
 * Certificates that are being deleted. certstore says whether a certificate is there before a destination that names it is
 * stored, and deletes one after it has looked at the routes; without this both could be right at once. A release and a
 * destination raise the same counter, so one of them comes first: a destination that is stored before is seen by
 * certstore's last look, and one that comes after sees the release and is refused.
 *
 *   destination   checked ──────────────► stored, unless released
 *   deletion                 released ──► routes looked at ──► deleted, unless named
 *
 * A release holds for longer than any change lasts that had its certificates checked before; then it is forgotten.
 */
import type { Collection } from '@postern/store';
import { type DatedDocument, forgetUntil } from './document.ts';
import { invalid } from './errors.ts';
import { type Naming, certificatesIn } from './certificate-check.ts';
import type { Draft, Journal } from './journal.ts';

const holdsMs = 600_000;

/** Sees to it that no destination comes to name the certificate. */
export async function releaseCertificate(journal: Journal, id: string): Promise<void> {
  await journal.change(async (draft) => {
    const found = await draft.released.get(id);
    const at = journal.time();
    if (found === null) await draft.released.insert({ id, revision: 1, at });
    else await draft.released.replace({ ...found, at });
  });
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
export function sweepReleased(released: Collection<DatedDocument>, now: number): Promise<void> {
  return forgetUntil(released, now - holdsMs);
}

function isOver({ at }: DatedDocument, now: number): boolean {
  return Date.parse(at) + holdsMs <= now;
}
