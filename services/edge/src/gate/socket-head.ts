/**
 * Reads the first bytes of a connection until they say what it is, and no further than that decision needs. What was
 * read is handed on with it; nothing is put back. How much may come is for `look` to say, by an answer; how long it
 * may take is the gate's business: it closes the socket.
 */
import type { Socket } from 'node:net';
import { Gathered } from '@postern/http';
import { readSocket } from '@postern/tunnel';

/** What the first bytes were found to be, with all that was read. */
export interface SocketHead<Found> {
  found: Found;
  head: Buffer;
}

/**
 * Resolves when `look` gives an answer for what has come (`start` and what is read), with the socket paused. Resolves
 * with null when the connection ends before. `look` is given all of it each time; it must answer at a bound of its own.
 */
export function readSocketHead<Found>(
  socket: Socket,
  start: Buffer,
  look: (bytes: Buffer) => Found | null,
): Promise<SocketHead<Found> | null> {
  const found = start.length === 0 ? null : look(start);
  if (found !== null) return Promise.resolve({ found, head: start });
  return new Promise((resolve) => {
    const gathered = new Gathered(start);
    const finish = (result: SocketHead<Found> | null): void => {
      socket.pause();
      stopReading();
      socket.off('end', handleEnd).off('close', handleEnd).off('error', handleEnd);
      resolve(result);
    };
    const handleEnd = (): void => finish(null);
    const stopReading = readSocket(socket, (bytes) => {
      const head = gathered.add(bytes);
      const answer = look(head);
      if (answer === null) return true;
      finish({ found: answer, head });
      return false;
    });
    socket.on('end', handleEnd).on('close', handleEnd).on('error', handleEnd);
    if (socket.destroyed) handleEnd();
    else socket.resume();
  });
}
