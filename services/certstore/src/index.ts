export { certstoreBounds, transitOptions } from './config.ts';
export { hasSecrets } from './secret/key-check.ts';
export { type KeySettings, keySettingsOf } from './secret/key-settings.ts';
export { createCertstore, type CertstoreOptions } from './service.ts';
