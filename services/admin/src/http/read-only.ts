/**
 * What was read may be edited and sent back whole: a body of PATCH and PUT may have the fields that an object shows and
 * nobody sets. `revision` is then held as If-Match is, so nothing that changed meanwhile is overwritten; what names the
 * object must be what it is; figures and findings change by themselves and are passed over.
 */
import { isDeepStrictEqual } from 'node:util';
import { Type, type Static, type TObject, type TSchema, type TUnsafe } from 'typebox';
import { adminError } from '../errors.ts';
import type { Call } from './endpoint.ts';
import { expectedRevision, staleRevision } from './entity-tag.ts';

type Plain = TSchema & { properties?: Record<string, Plain>; items?: Plain };

/** True for a field that is not set; for one that is, those below it, or in each of its items. */
interface Fields {
  readonly [name: string]: true | Fields;
}

/** A body's schema with the fields that are only shown, and which those are. */
export interface ReturnableBody<Body extends TSchema> {
  readonly schema: TUnsafe<Static<Body>>;
  readonly fields: Fields;
}

/** Fields that would be taken for a wish if they differed. */
const fixed = [['id'], ['gatewayId'], ['front', 'url']] as const;
const anything = Type.Unsafe<unknown>({ readOnly: true, description: 'as it was read' });
const revision = Type.Integer({
  minimum: 0,
  readOnly: true,
  description: 'as it was read; a stale one is refused, as in If-Match',
});

/** The body of a change, which may also have what is shown of the object alone. */
export function returnableBody<Body extends TSchema>(body: Body, shown: TObject): ReturnableBody<Body> {
  const fields = shownOnly(body, shown);
  return { fields, schema: Type.Unsafe<Static<Body>>(withFields(body, fields)) };
}

/** The change without what is only shown, and the revision that it expects. `current` reads the object. */
export async function takeChange<Body>(
  { body, ifMatch }: Pick<Call<Body>, 'body' | 'ifMatch'>,
  fields: Fields,
  current: () => Promise<{ revision: number }>,
): Promise<{ body: Body; revision: number | undefined }> {
  const expected = await expectedRevision(ifMatch, async () => (await current()).revision);
  const read = valueAt(body, ['revision']) as number | undefined;
  if (read !== undefined && expected !== undefined && read !== expected) throw staleRevision();
  const named = fixed.filter((path) => valueAt(body, path) !== undefined && isShownOnly(fields, path));
  if (named.length > 0) demandSame(body, await current(), named);
  return { body: without(body, fields) as Body, revision: expected ?? read };
}

function demandSame(body: unknown, now: unknown, paths: readonly (readonly string[])[]): void {
  const errors = paths
    .filter((path) => !isDeepStrictEqual(valueAt(body, path), valueAt(now, path)))
    .map((path) => ({
      path: `/${path.join('/')}`,
      message: `cannot be set; it is ${JSON.stringify(valueAt(now, path) ?? null)}`,
    }));
  if (errors.length > 0)
    throw adminError('ADMIN_BODY_INVALID', 'the body sets what is only shown', { errors });
}

function shownOnly(body: Plain, shown: Plain): Fields {
  if (body.properties === undefined) return {};
  const fields: Record<string, true | Fields> = {};
  for (const [name, part] of Object.entries(shown.properties ?? {})) {
    const taken = body.properties[name];
    if (taken === undefined) fields[name] = true;
    else {
      const below = shownOnly(taken.items ?? taken, part.items ?? part);
      if (Object.keys(below).length > 0) fields[name] = below;
    }
  }
  return fields;
}

function withFields(schema: Plain, fields: Fields): Plain {
  if (schema.items !== undefined) return { ...schema, items: withFields(schema.items, fields) };
  const properties: Record<string, Plain> = { ...schema.properties };
  for (const [name, below] of Object.entries(fields)) {
    if (below === true) properties[name] = name === 'revision' ? revision : anything;
    else properties[name] = withFields(properties[name] ?? {}, below);
  }
  return { ...schema, properties };
}

function without(body: unknown, fields: Fields): unknown {
  if (Array.isArray(body)) return body.map((item) => without(item, fields));
  if (!isObject(body)) return body;
  const kept = Object.entries(body).filter(([name]) => fields[name] !== true);
  return Object.fromEntries(
    kept.map(([name, value]) => {
      const below = fields[name];
      return [name, below === undefined || below === true ? value : without(value, below)];
    }),
  );
}

function isShownOnly(fields: Fields, path: readonly string[]): boolean {
  return valueAt(fields, path) === true;
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  let at = value;
  for (const name of path) at = isObject(at) ? at[name] : undefined;
  return at;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
