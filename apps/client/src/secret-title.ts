/**
 * Takes secrets out of the process title. Whoever may list processes sees argv; the old flags carry secrets there, and
 * so may a proxy's URL. Writing the title overwrites argv itself on Linux and macOS.
 */
const secretFlags: ReadonlySet<string> = new Set([
  '-t',
  '--t',
  '--sectoken',
  '-w',
  '--password',
  '-x',
  '--proxy',
]);

/** The command line with its secrets as `***`, or null when there are none. */
export function maskedTitle(name: string, argv: readonly string[]): string | null {
  let found = false;
  const words = argv.map((word, index) => {
    const flag = word.startsWith('--') && word.includes('=') ? word.slice(0, word.indexOf('=')) : word;
    if (secretFlags.has(flag) && flag !== word) {
      found = true;
      return `${flag}=***`;
    }
    if (/^-[twx]./.test(word)) {
      found = true;
      return `${word.slice(0, 2)}***`;
    }
    if (!secretFlags.has(argv[index - 1] ?? '')) return word;
    found = true;
    return '***';
  });
  return found ? [name, ...words].join(' ') : null;
}
