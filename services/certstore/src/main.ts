/** The program `postern-certstore`; run.ts is what it does once its code is loaded. */
import { start } from '@postern/config/start';

await start('postern-certstore', () => import('./run.ts'));
