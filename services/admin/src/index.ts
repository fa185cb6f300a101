export { adminOptions, program as adminProgram, type AdminOptions } from './config.ts';
export { createAdmin, type AdminParts, type AdminService } from './service.ts';
