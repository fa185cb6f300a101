/** Settings of which more is asked than a schema can say. */
import { type TRefineAdd, type TSchema, Type } from 'typebox';

/**
 * The schema, of which only values are right that `read` takes: what it throws is told, with the flag, variable or key
 * that the value came by, and must hold nothing secret. It reads a secret's text, before that is wrapped.
 */
export function readBy<Schema extends TSchema>(
  schema: Schema,
  read: (given: never) => unknown,
): TRefineAdd<Schema> {
  const faultOf = (given: unknown): string | null => {
    try {
      read(given as never);
      return null;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  };
  return Type.Refine<Schema, unknown>(
    schema,
    (given) => faultOf(given) === null,
    (given) => faultOf(given) ?? '',
  );
}
