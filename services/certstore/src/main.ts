/** The program `postern-certstore`. */
import { readFileSync } from 'node:fs';
import { runService } from '@postern/program';
import { type CertstoreSettings, program } from './config.ts';
import { checkKeySettings } from './key-settings.ts';
import { type CertstoreOptions, createCertstore } from './service.ts';

await runService('certstore', program, ({ settings, logger, metrics }) => {
  const options = optionsOf(settings);
  // A key that can never be right is told before anything is waited for.
  checkKeySettings(options);
  return ({ bus, store }) => createCertstore({ bus, store, options, logger, metrics });
});

function optionsOf(settings: CertstoreSettings): CertstoreOptions {
  const { keyEncryptionKey, transitUrl: url, transitToken, transitCaFile } = settings;
  const transit = {
    url,
    mount: settings.transitMount,
    key: settings.transitKey,
    token: () => transitToken?.current() ?? '',
    caPem: transitCaFile === '' ? null : readFileSync(transitCaFile, 'utf8'),
  };
  return {
    ...settings,
    keyEncryptionKey: keyEncryptionKey?.reveal() ?? '',
    readKeyEncryptionKey: () => keyEncryptionKey?.current() ?? '',
    transit: url === '' ? null : transit,
  };
}
