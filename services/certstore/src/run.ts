/** `postern-certstore`, once its code is loaded. */
import { runService } from '@postern/program';
import { program } from './config.ts';
import { checkKeySettings, keySettingsOf } from './secret/key-settings.ts';
import { createCertstore } from './service.ts';

await runService('certstore', program, ({ settings, logger, metrics }) => {
  const options = { ...settings, ...keySettingsOf(settings) };
  // A key that can never be right is told before anything is waited for.
  checkKeySettings(options);
  return ({ bus, store }) => createCertstore({ bus, store, options, logger, metrics });
});
