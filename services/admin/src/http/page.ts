/** Lists page by page: `?limit=&cursor=` in, `{items, nextCursor}` out. */
import { pageItemsMax } from '@postern/contracts';
import { Type, type TObject } from 'typebox';

/** The two query parameters of a list. */
export const pageQuery = {
  limit: Type.Integer({
    minimum: 1,
    maximum: pageItemsMax,
    default: 50,
    description: 'most items of this page',
  }),
  cursor: Type.Optional(
    Type.String({ minLength: 1, maxLength: 256, description: '`nextCursor` of the page before' }),
  ),
};

/** The query of a list without further parameters. */
export const PageQuery = Type.Object(pageQuery, { additionalProperties: false });

/** What an owner is asked for. */
export function pageRequest(query: { limit: number; cursor?: string }): {
  limit: number;
  cursor: string | null;
} {
  return { limit: query.limit, cursor: query.cursor ?? null };
}

/** A page of a list that is here whole, in the order of its IDs; all of it where no `limit` is given. */
export function pageOfAll<Item extends { id: string }>(
  all: readonly Item[],
  { limit = all.length, cursor = '' }: { limit?: number; cursor?: string },
): { items: Item[]; nextCursor: string | null } {
  const rest = all.filter(({ id }) => id > cursor);
  const items = rest.slice(0, limit);
  return { items, nextCursor: rest.length > limit ? (items.at(-1)?.id ?? null) : null };
}

/** The answer of a list; `item` has a title. */
export function pageAnswer(item: TObject): TObject {
  const nextCursor = Type.Union([Type.String(), Type.Null()], {
    description: '`cursor` of the next page; null at the end',
  });
  return Type.Object({ items: Type.Array(item), nextCursor });
}
