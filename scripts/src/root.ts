import { fileURLToPath } from 'node:url';

/** The repository's root: commands work on it from whatever folder they are called. */
export const rootFolder = fileURLToPath(new URL('../..', import.meta.url));
