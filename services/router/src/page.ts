/** A page of what is not stored as a list: IDs that are here, in their order. */

/** Items of a page unless it is asked for more or fewer. */
export const pageItemsDefault = 50;

/** What is asked for: how many, and after which ID. */
export interface PageRequest {
  limit?: number;
  cursor?: string | null;
}

/** The IDs of one page, and the cursor of the next; null at the end. */
export function pageOfIds(
  all: Iterable<string>,
  { limit = pageItemsDefault, cursor = null }: PageRequest,
): { ids: string[]; nextCursor: string | null } {
  const rest = [...new Set(all)].filter((id) => cursor === null || id > cursor).sort();
  const ids = rest.slice(0, limit);
  return { ids, nextCursor: rest.length > limit ? (ids.at(-1) ?? null) : null };
}
