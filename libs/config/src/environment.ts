/**
 * The environment as a source. An empty variable counts as not set (compose and charts pass those). A POSTERN_
 * variable that neither this nor another Postern program knows is a problem: it is most likely misspelt.
 */
import { type SourceResult, FoundValues } from './found.ts';
import { knownVariables } from './known-variables.ts';
import { suggestNearest } from './nearest.ts';
import type { Setting } from './setting.ts';
import { readTexts } from './value.ts';

/** Environment variables as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

const foreignPrefixes = ['POSTERN_TEST_', 'POSTERN_BENCH_'];

/** Every variable that the settings read; for the list of known ones and for docs. */
export function variablesOf(settings: readonly Setting[], configVariable: string): string[] {
  const names = settings.flatMap((setting) => [setting.variable, setting.fileVariable]);
  return [configVariable, ...names.filter((name) => name !== null)].toSorted();
}

/** What the environment says about the settings. */
export function readEnvironment(
  settings: readonly Setting[],
  configVariable: string,
  environment: Environment,
): SourceResult {
  const values = new FoundValues();
  for (const setting of settings) {
    for (const [name, isSecretFile] of [
      [setting.variable, false],
      [setting.fileVariable, true],
    ] as const) {
      const text = name === null ? undefined : environment[name];
      if (name === null || text === undefined || text === '') continue;
      const value = isSecretFile ? text : readTexts(setting, [text]);
      values.add({ setting, value, isSecretFile, origin: name, source: 'environment' });
    }
  }
  const own = variablesOf(settings, configVariable);
  for (const name of Object.keys(environment)) {
    if (!isUnknown(name, own)) continue;
    values.problems.push({
      code: 'CONFIG_UNKNOWN_VARIABLE',
      message: `the environment variable ${name} is known to no Postern program${suggestNearest(name, [...own, ...knownVariables])}`,
    });
  }
  return values.result();
}

function isUnknown(name: string, own: readonly string[]): boolean {
  if (!name.startsWith('POSTERN_') || foreignPrefixes.some((prefix) => name.startsWith(prefix))) return false;
  return !own.includes(name) && !knownVariables.includes(name);
}
