/** Everything in the tree that is generated from the programs' schemas. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { helpPage } from './help-page.ts';
import { metricsPage } from './metrics-page.ts';
import { type Output, betweenMarks } from './output.ts';
import { listPrograms } from './program-list.ts';
import { settingsPage } from './settings-page.ts';
import { variablesFile } from './variables-file.ts';

/** All generated files as they must be now. */
export async function generateOutputs(root: string): Promise<Output[]> {
  const list = await listPrograms(root);
  const page = (path: string, generated: string): Output => ({
    path,
    text: betweenMarks(readFileSync(join(root, path), 'utf8'), path, generated),
  });
  return [
    page('docs/CONFIG.md', settingsPage(list.programs)),
    page('docs/CLI.md', helpPage(list)),
    page('docs/METRICS.md', await metricsPage(root)),
    { path: 'libs/config/src/known-variables.ts', text: variablesFile(list) },
  ];
}
