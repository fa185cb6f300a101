export { type Connections, type ServiceSettings, runService } from './run-service.ts';
