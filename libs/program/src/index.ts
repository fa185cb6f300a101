export { type Connections, type ProgramParts, type ServiceSettings, runService } from './run-service.ts';
