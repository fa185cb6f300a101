/** Everything that services say to each other, and that a client and the platform say to each other. */
export * from './access.ts';
export * from './access-list.ts';
export * from './api-key.ts';
export * from './certificates.ts';
export * from './change.ts';
export * from './connect.ts';
export * from './destination.ts';
export * from './feed.ts';
export * from './fleet.ts';
export * from './gateway.ts';
export * from './object.ts';
export * from './presence.ts';
export * from './question.ts';
export * from './route.ts';
export * from './service-error.ts';
export * from './session.ts';
export * from './token.ts';
