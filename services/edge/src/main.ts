/** The program `postern-edge`; run.ts is what it does once its code is loaded. */
import { start } from '@postern/config/start';

await start('postern-edge', () => import('./run.ts'));
