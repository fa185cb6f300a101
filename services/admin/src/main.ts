/** The program `postern-admin`; run.ts is what it does once its code is loaded. */
import { start } from '@postern/config/start';

await start('postern-admin', () => import('./run.ts'));
