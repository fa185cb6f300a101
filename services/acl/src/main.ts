/** The program `postern-acl`; run.ts is what it does once its code is loaded. */
import { start } from '@postern/config/start';

await start('postern-acl', () => import('./run.ts'));
