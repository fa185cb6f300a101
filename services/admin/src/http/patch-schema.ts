/**
 * The schema of a JSON Merge Patch (RFC 7386) for an object: every field may be missing, or null to go back to its
 * default; unknown fields are refused as they are in the whole. The owner applies the patch and checks the result.
 */
import { Type, type TObject, type TSchema, type TUnsafe } from 'typebox';
import type { MergePatch } from '@postern/contracts';

interface Plain extends TSchema {
  type?: string;
  default?: unknown;
  properties?: Record<string, Plain>;
  patternProperties?: Record<string, Plain>;
  additionalProperties?: boolean;
  anyOf?: Plain[];
}

/** What a patch of an object of this schema looks like. */
export function patchSchema(whole: TObject, title: string): TUnsafe<MergePatch> {
  return Type.Unsafe<MergePatch>({ ...partsOf(whole), type: 'object', title });
}

function orNull(schema: Plain): Plain {
  const { default: _, ...rest } = schema;
  if (schema.anyOf !== undefined) {
    const others = schema.anyOf
      .filter((part) => part.type !== 'null')
      .map((part) => (part.properties === undefined ? part : { ...partsOf(part), type: 'object' }));
    return { ...rest, anyOf: [...others, { type: 'null' }] };
  }
  const type = [schema.type, 'null'] as unknown as string;
  if (schema.patternProperties !== undefined) {
    const values = Object.entries(schema.patternProperties).map(([name, part]) => [name, orNull(part)]);
    return { ...rest, type, patternProperties: Object.fromEntries(values) as Record<string, Plain> };
  }
  return schema.properties === undefined ? { ...rest, type } : { ...partsOf(schema), type };
}

function partsOf({ properties = {} }: Plain): Plain {
  const parts = Object.entries(properties).map(([name, part]) => [name, orNull(part)]);
  return { properties: Object.fromEntries(parts) as Record<string, Plain>, additionalProperties: false };
}
