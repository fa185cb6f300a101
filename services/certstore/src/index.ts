export {
  certstoreBounds,
  program as certstoreProgram,
  type CertstoreSettings,
  transitOptions,
} from './config.ts';
export { hasSecrets } from './key-check.ts';
export { type KeySettings, keySettingsOf } from './key-settings.ts';
export { createCertstore, type CertstoreOptions, type CertstoreParts } from './service.ts';
