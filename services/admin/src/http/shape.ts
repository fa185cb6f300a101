/** Small parts that the endpoints' schemas and handlers share. */
import { Type, type TObject, type TProperties } from 'typebox';
import type { Call } from './endpoint.ts';

/** The schema of a body with this name in OpenAPI; unknown fields are refused. */
export function bodyOf<Properties extends TProperties>(
  title: string,
  properties: Properties,
): TObject<Properties> {
  return Type.Object(properties, { additionalProperties: false, title });
}

/** The schema of an answer with this name in OpenAPI; fields may be added to it later. */
export function answerOf<Properties extends TProperties>(
  title: string,
  properties: Properties,
): TObject<Properties> {
  return Type.Object(properties, { title });
}

/** A parameter of the path; the router has matched it, so it is there. */
export function param(call: Pick<Call, 'params'>, name: string): string {
  const value = call.params[name];
  if (value === undefined) throw new Error(`the path has no :${name}`);
  return value;
}

/** An optional revision as owners take it. */
export function withRevision(revision: number | undefined): { revision?: number } {
  return revision === undefined ? {} : { revision };
}
