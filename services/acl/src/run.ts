/** `postern-acl`, once its code is loaded. */
import { runService } from '@postern/program';
import { program } from './config.ts';
import { createAcl } from './service.ts';

await runService('acl', program, ({ settings: config, logger, metrics }) => {
  return ({ bus, store }) => createAcl({ bus, store, config, logger, metrics });
});
