export { adminOptions, type AdminOptions } from './config.ts';
export { createAdmin, type AdminService } from './service.ts';
