/**
 * The program `postern-standalone`. It is made of some 1900 modules, a third of them typebox's, and compiling them is
 * three quarters of its start; so what was compiled is kept in the tree, where nobody but its owner can put something
 * else in its place. Where the tree cannot be written, nothing is kept. run.ts is the program.
 */
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { start } from '@postern/config/start';

enableCompileCache(join(import.meta.dirname, '../../../node_modules/.cache/node'));
await start('postern-standalone', () => import('./run.ts'));
