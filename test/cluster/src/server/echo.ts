/** A TCP server in this process that sends back what it gets, and ends when the caller does. */
import type { Resource } from './resource.ts';
import { startTcp } from './tcp.ts';

/** Resolves when it takes connections. */
export function startEcho(): Promise<Resource> {
  return startTcp((socket) => socket.pipe(socket));
}
