// `pnpm bench`: options, a namespace where one can be had, the run, the report.

import { writeFile } from 'node:fs/promises';
import { bench } from './bench.ts';
import { markdown } from './markdown.ts';
import { canMakeNamespace, insideNamespace, prepareInside, runInNamespace } from './namespace.ts';
import { type Options, parseOptions } from './options.ts';
import { stopAllPrograms } from './program.ts';
import type { Entry, Report } from './report.ts';

const options = parseOptions(process.argv.slice(2));
if (insideNamespace()) {
  await prepareInside();
  process.exitCode = await main(options);
} else if (options.namespace && (await canMakeNamespace())) {
  process.exitCode = await runInNamespace();
} else {
  process.exitCode = await main(options);
}

async function main({
  peers,
  absent,
  groups,
  rounds,
  effort,
  json,
  plot: plotFile,
}: Options): Promise<number> {
  const abort = new AbortController();
  const stop = (): void => {
    abort.abort();
    void stopAllPrograms();
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
  for (const { name, missing } of absent) tell(`${name}: left out, ${missing.join(' and ')} not found`);
  const onEntry = async (entry: Entry, report: Report): Promise<void> => {
    tell(describe(entry, rounds));
    if (json !== undefined) await writeFile(json, `${JSON.stringify(report, null, 2)}\n`);
  };
  const report = await bench({ peers, groups, rounds, effort, signal: abort.signal, onEntry });
  process.stdout.write(markdown(report));
  if (plotFile !== undefined) {
    const { plot } = await import('./plot.ts'); // A second of a processor, only for who wants it.
    await writeFile(plotFile, plot(report));
  }
  return report.entries.some(({ error }) => error !== null) ? 1 : 0;
}

function describe({ round, group, peer, othersCores, noisy, error }: Entry, rounds: number): string {
  const noise = noisy ? `, NOISY: others used ${othersCores} cores` : '';
  return `round ${round} of ${rounds}, ${group}, ${peer}${noise}${error === null ? '' : `: FAILED: ${error}`}`;
}

function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}
