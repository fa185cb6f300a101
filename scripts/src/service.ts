/**
 * `pnpm service NAME …`: runs one service from the tree, in this process, with the rest of the arguments as its own.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { closest } from 'fastest-levenshtein';
import { ownArguments } from './arguments.ts';
import { rootFolder } from './root.ts';

const folder = join(rootFolder, 'services');
const names = readdirSync(folder).filter((name) => existsSync(join(folder, name, 'src/main.ts')));
const [name, ...rest] = ownArguments();
const help = `Usage: pnpm service NAME [its options]\n\nServices: ${names.join(', ')}\nEach has --help.\n`;

if (name === undefined) {
  process.stderr.write(help);
  process.exitCode = 64;
} else if (name === '--help' || name === '-h') {
  process.stdout.write(help);
} else if (names.includes(name)) {
  const main = join(folder, name, 'src/main.ts');
  process.argv.splice(1, process.argv.length, main, ...rest);
  await import(pathToFileURL(main).href);
} else {
  const nearest = names.length === 0 ? '' : `; did you mean ${closest(name, names)}?`;
  process.stderr.write(`there is no service ${name}${nearest} (${names.join(', ')})\n`);
  process.exitCode = 64;
}
