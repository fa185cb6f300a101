/** What a misspelt name was probably meant to be. */
import { closest, distance } from 'fastest-levenshtein';

/** `; did you mean X?` when a known name is near enough to be meant, else nothing. */
export function suggestNearest(name: string, known: readonly string[]): string {
  if (known.length === 0) return '';
  const candidate = closest(name, known);
  const changesMax = Math.max(2, Math.floor(name.length / 4));
  return distance(name, candidate) <= changesMax ? `; did you mean ${candidate}?` : '';
}
