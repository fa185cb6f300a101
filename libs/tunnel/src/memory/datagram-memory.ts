/**
 * What datagrams that wait take of this process, all flows together. Who forges addresses has as many flows as there may be,
 * each with a queue of its own, and what waits for a client that is gone waits for a minute: so bounds of a flow do not add
 * up to one of the process.
 */
import { ScopeRoom } from './scope-room.ts';

/** Of all together. */
export const datagramMemoryBytesMax = 134_217_728;
/** This process's. */
export const datagramMemory = new ScopeRoom(datagramMemoryBytesMax);
