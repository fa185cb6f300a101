/** `ETag` and `If-Match` (RFC 9110): an object's revision in quotes. A change that names a stale one is refused. */
import { adminError } from '../errors.ts';
import type { ServiceError } from '@postern/contracts';

const tagsMax = 16;

/** The entity tag of an object. */
export function entityTag(revision: number): string {
  return `"${revision}"`;
}

/**
 * The revision that a change must find, for the owner to hold it to; undefined when any will do (no header, or `*`).
 * Only where the header names several is the current one read. Rejects with `ADMIN_REVISION_STALE` when no tag can
 * fit (weak ones never do), `ADMIN_HEADER_INVALID` when the header is no list of tags.
 */
export async function expectedRevision(
  ifMatch: string | undefined,
  current: () => Promise<number>,
): Promise<number | undefined> {
  if (ifMatch === undefined || ifMatch.trim() === '*') return undefined;
  const revisions = revisionsOf(ifMatch);
  if (revisions.length === 1) return revisions[0];
  const now = revisions.length === 0 ? undefined : await current();
  if (now !== undefined && revisions.includes(now)) return now;
  throw staleRevision();
}

/** The same for changes that an owner does not hold to a revision: compared with what was read just before. */
export function demandRevision(ifMatch: string, current: number): void {
  if (ifMatch.trim() === '*') return;
  if (!revisionsOf(ifMatch).includes(current)) throw staleRevision();
}

function revisionsOf(ifMatch: string): number[] {
  const tags = ifMatch.split(',', tagsMax + 1).map((tag) => tag.trim());
  if (tags.length > tagsMax || !tags.every((tag) => /^(W\/)?"[\x21\x23-\x7e]*"$/.test(tag))) {
    throw adminError(
      'ADMIN_HEADER_INVALID',
      'If-Match must be the ETag that an earlier answer gave, with its quotes',
    );
  }
  return tags.filter((tag) => /^"\d{1,15}"$/.test(tag)).map((tag) => Number(tag.slice(1, -1)));
}

/** The refusal of a change that was made from what is no longer so. */
export function staleRevision(): ServiceError {
  return adminError(
    'ADMIN_REVISION_STALE',
    'someone else changed this object: read it again and repeat the change',
  );
}
