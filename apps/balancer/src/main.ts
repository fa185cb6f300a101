/** The program `postern-balancer`; run.ts is what it does once its code is loaded. */
import { start } from '@postern/config/start';

await start('postern-balancer', () => import('./run.ts'));
