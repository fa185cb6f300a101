/**
 * Node's `http` without what it shows of undici, an HTTP client that nobody here asks for. Whoever imports `node:http` has
 * Node read all of its properties, and three of them load undici when they are read: a third more of a small program's
 * memory, and 40 ms of each start. Nothing else does, so it is enough to take the three away before the first import.
 */
import process from 'node:process';

const shown = ['WebSocket', 'CloseEvent', 'MessageEvent'];

/** Takes them away. To be called before anything is loaded that imports `node:http`. */
export function lightenHttp(): void {
  const http = process.getBuiltinModule('node:http');
  for (const name of shown) Object.defineProperty(http, name, { value: undefined });
}
