/** Everything that services say to each other, and that a client and the platform say to each other. */
export * from './access.ts';
export * from './certificates.ts';
export * from './connect.ts';
export * from './feed.ts';
export * from './presence.ts';
export * from './question.ts';
export * from './route.ts';
export * from './service-error.ts';
export * from './session.ts';
