/**
 * A caller and a stream of the tunnel, for whichever end has the caller: its bytes as they are, or HTTP, which is connections of
 * HTTP/1.1 and HTTP/2, requests one by one, their answers, connections to resources that are kept. What is wanted, who may
 * want it and which ways lead there its `Errand` says.
 */
export { type HttpBounds, httpBounds } from './bounds.ts';
export { BytePipe } from './byte-pipe.ts';
export type { Cause, Trouble, Voice } from './cause.ts';
export { ConnectionPool } from './connection-pool.ts';
export { Connections } from './connections.ts';
export type { Errand, HttpErrand, Running, Way } from './errand.ts';
export { pathsOf, type CallerAddress, type ConnectionFacts, type HttpRequest } from './request.ts';
