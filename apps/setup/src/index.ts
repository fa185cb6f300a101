export { type BusService, busPermissions, busServices, inboxOf } from './bus-permission.ts';
export { program } from './config.ts';
export {
  type DocumentService,
  collectionActions,
  documentServices,
  ownCollections,
} from './document-permission.ts';
export { setUpDocuments } from './documents.ts';
export { makeSecrets } from './secrets.ts';
