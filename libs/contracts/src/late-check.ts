import type { TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';

/**
 * The compiled check of a schema, made when it is first asked for: a program uses a few of the contracts that it loads, and
 * to compile all of them was a sixth of its start.
 */
export function lateCheck<Schema extends TSchema>(schema: Schema): () => Validator<{}, Schema> {
  let compiled: Validator<{}, Schema> | undefined;
  return () => (compiled ??= Compile(schema));
}
