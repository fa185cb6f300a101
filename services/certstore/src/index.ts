export { certstoreBounds, transitOptions } from './config.ts';
export { hasSecrets } from './key-check.ts';
export { type KeySettings, keySettingsOf } from './key-settings.ts';
export { createCertstore, type CertstoreOptions } from './service.ts';
