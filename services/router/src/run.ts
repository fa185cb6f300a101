/** `postern-router`, once its code is loaded. */
import { runService } from '@postern/program';
import { program } from './config.ts';
import { createRouter } from './service.ts';

await runService('router', program, ({ settings: config, logger, metrics }) => {
  return ({ bus, store }) => createRouter({ bus, store, config, logger, metrics });
});
