/**
 * HTTP between a caller and a stream of the tunnel, for whichever end has the caller: connections of HTTP/1.1 and HTTP/2,
 * requests one by one, their answers, connections to resources that are kept. What a request is for, who may send it
 * and which ways lead there its `Errand` says.
 */
export { type HttpBounds, type HttpSettings, httpBounds } from './bounds.ts';
export type { Cause, Trouble, Voice } from './cause.ts';
export { ConnectionPool } from './connection-pool.ts';
export { Connections, type HttpArrival } from './connections.ts';
export type { HttpParts } from './door.ts';
export type { Errand, RunningExchange, Way } from './errand.ts';
export type { CallerAddress, ConnectionFacts, HttpRequest } from './request.ts';
