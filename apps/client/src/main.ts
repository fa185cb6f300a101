/** The program `postern-client`; run.ts is what it does once its code is loaded. */
import { start } from '@postern/config/start';

await start('postern-client', () => import('./run.ts'));
