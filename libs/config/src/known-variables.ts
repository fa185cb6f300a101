/**
 * Every environment variable that some Postern program reads, so that one program does not call another's variable
 * misspelt. Written by `pnpm docs` from the programs' schemas; a test compares both.
 */
export const knownVariables: readonly string[] = [];
