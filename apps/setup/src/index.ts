export { type BusService, busServices } from './bus-permission.ts';
export { program } from './config.ts';
export { type DocumentService, databaseOf, documentServices } from './document-permission.ts';
export { setUpDocuments } from './documents.ts';
export { makeSecrets } from './secrets.ts';
