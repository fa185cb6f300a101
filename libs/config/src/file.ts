/**
 * The YAML file as a source. Keys are the settings' names; an unknown one is a problem that names its line. The size
 * is bounded, aliases are limited, and duplicate keys are refused by the parser.
 */
import { LineCounter, type Document, type YAMLMap, isMap, isScalar, parseDocument } from 'yaml';
import { type ReadFile, configFileBytesMax } from './bounded-file.ts';
import type { ConfigProblem } from './errors.ts';
import { type SourceResult, FoundValues } from './found.ts';
import { suggestNearest } from './nearest.ts';
import type { Setting } from './setting.ts';

const aliasesMax = 100;

/** What the file says about the settings; a file that cannot be read or parsed is one problem. */
export function readConfigFile(settings: readonly Setting[], path: string, readFile: ReadFile): SourceResult {
  const lines = new LineCounter();
  const parsed = parseFile(path, readFile, lines);
  if ('problem' in parsed) return { found: new Map(), problems: [parsed.problem] };
  const values = new FoundValues();
  const keys = new Map<string, { setting: Setting; isSecretFile: boolean }>();
  for (const setting of settings) {
    keys.set(setting.name, { setting, isSecretFile: false });
    if (setting.fileKey !== null) keys.set(setting.fileKey, { setting, isSecretFile: true });
  }
  for (const { key, value, offset } of parsed.entries) {
    const origin = `${path}:${lines.linePos(offset).line}: ${key}`;
    const known = keys.get(key);
    if (known === undefined) {
      const message = `${origin} is not a known setting${suggestNearest(key, [...keys.keys()])}`;
      values.problems.push({ code: 'CONFIG_UNKNOWN_KEY', message });
      continue;
    }
    values.add({ ...known, value, origin, source: 'file' });
  }
  return values.result();
}

interface Entry {
  key: string;
  value: unknown;
  offset: number;
}

function parseFile(
  path: string,
  readFile: ReadFile,
  lineCounter: LineCounter,
): { entries: Entry[] } | { problem: ConfigProblem } {
  const fail = (why: string): { problem: ConfigProblem } => ({
    problem: { code: 'CONFIG_FILE', message: `the file ${path} cannot be used: ${why}` },
  });
  try {
    const document = parseDocument(readFile(path, configFileBytesMax), { lineCounter, prettyErrors: false });
    const [error] = document.errors;
    // The parser's own words may carry the text of the line, and so a secret.
    if (error !== undefined)
      return fail(`line ${lineCounter.linePos(error.pos[0]).line} is not well-formed YAML (${error.code})`);
    const { contents } = document;
    if (contents === null) return { entries: [] };
    if (!isMap(contents)) return fail('it must hold a map of settings');
    const entries = entriesOf(document, contents);
    return entries === null
      ? fail('an alias (*) in it has no anchor (&), or too much is made of one')
      : { entries };
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
}

/** Null where an alias cannot be resolved; the parser's words for it would carry its name. */
function entriesOf(document: Document, { items }: YAMLMap): Entry[] | null {
  const plain = plainOf(document);
  if (plain === null) return null;
  return items.map(({ key: node }) => {
    const key = isScalar(node) ? String(node.value) : String(node);
    return { key, value: plain[key], offset: isScalar(node) ? (node.range?.[0] ?? 0) : 0 };
  });
}

function plainOf(document: Document): Record<string, unknown> | null {
  try {
    return document.toJS({ maxAliasCount: aliasesMax }) as Record<string, unknown>;
  } catch {
    return null;
  }
}
