/** argv without the `--` that package managers pass on from `pnpm NAME -- …`. */
export function ownArguments(argv: readonly string[] = process.argv): string[] {
  const rest = argv.slice(2);
  return rest[0] === '--' ? rest.slice(1) : rest;
}
