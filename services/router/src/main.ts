/** The program `postern-router`; run.ts is what it does once its code is loaded. */
import { start } from '@postern/config/start';

await start('postern-router', () => import('./run.ts'));
