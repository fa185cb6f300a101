export { program as certstoreProgram, type CertstoreSettings } from './config.ts';
export { createCertstore, type CertstoreOptions, type CertstoreParts } from './service.ts';
