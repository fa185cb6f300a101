/**
 * From the text of a flag or variable to a value, and from a schema to the words that say what is right. A text that
 * does not fit is handed back as it is: the schema's check then refuses it with those words.
 */
import type { TSchema } from 'typebox';
import type { Setting, SettingKind } from './setting.ts';

const yes = new Set(['true', 'yes', 'on', '1']);
const no = new Set(['false', 'no', 'off', '0']);

/** The value of one or more texts: lists and maps take them all (and split each at commas), the rest takes the last. */
export function readTexts(setting: Setting, texts: readonly string[]): unknown {
  const last = texts.at(-1) ?? '';
  if (setting.kind === 'list') return splitTexts(texts).map((text) => readScalar(setting.itemKind, text));
  if (setting.kind === 'map') return readMap(texts);
  if (setting.nullable && (last === '' || last === 'none')) return null;
  return readScalar(setting.kind, last);
}

function splitTexts(texts: readonly string[]): string[] {
  return texts
    .flatMap((text) => text.split(','))
    .map((text) => text.trim())
    .filter((text) => text !== '');
}

function readMap(texts: readonly string[]): unknown {
  const pairs = splitTexts(texts).map((text) => [text, text.indexOf('=')] as const);
  if (pairs.some(([, at]) => at < 1)) return texts.join(',');
  return Object.fromEntries(pairs.map(([text, at]) => [text.slice(0, at), text.slice(at + 1)]));
}

function readScalar(kind: SettingKind, text: string): unknown {
  switch (kind) {
    case 'integer':
    case 'number':
      return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
    case 'boolean':
      return yes.has(text.toLowerCase()) ? true : no.has(text.toLowerCase()) ? false : text;
    case 'text':
    case 'choice':
    case 'list':
    case 'map':
    case 'structure':
      return text;
  }
}

/** What a right value looks like, in a few words: `a whole number from 0 to 65535`. */
export function describeType(setting: Setting): string {
  const orNone = setting.nullable ? ', or none' : '';
  switch (setting.kind) {
    case 'list':
      return `a list of which each item is ${describeScalar(setting, setting.itemKind, setting.itemSchema)}`;
    case 'map':
      return `a map of ${setting.placeholder}`;
    case 'structure':
      return 'a structure as described in docs/CONFIG.md';
    case 'text':
    case 'integer':
    case 'number':
    case 'boolean':
    case 'choice':
      return describeScalar(setting, setting.kind, setting.schema) + orNone;
  }
}

function describeScalar(setting: Setting, kind: SettingKind, schema: TSchema): string {
  const bounds = boundsOf(schema);
  switch (kind) {
    case 'integer':
      return `a whole number${describeRange(bounds.minimum, bounds.maximum, '')}`;
    case 'number':
      return `a number${describeRange(bounds.minimum, bounds.maximum, '')}`;
    case 'boolean':
      return 'true or false';
    case 'choice':
      return `one of ${setting.choices.join(', ')}`;
    case 'text':
    case 'list':
    case 'map':
    case 'structure':
      return `text${describeForm(bounds)}${describeRange(bounds.minLength, bounds.maxLength, ' characters')}`;
  }
}

interface Bounds {
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  form?: string;
}

function boundsOf(schema: TSchema & { anyOf?: Bounds[] }): Bounds {
  return { ...schema.anyOf?.[0], ...(schema as Bounds) };
}

function describeForm({ pattern, form }: Bounds): string {
  if (form !== undefined) return ` of ${form}`;
  return pattern === undefined ? '' : ` like ${pattern}`;
}

function describeRange(least: number | undefined, most: number | undefined, unit: string): string {
  if (least !== undefined && most !== undefined) return ` from ${least} to ${most}${unit}`;
  if (least !== undefined) return ` of at least ${least}${unit}`;
  if (most !== undefined) return ` of at most ${most}${unit}`;
  return '';
}
