/**
 * Looks at the first byte of a connection before TLS does, and gives it back. A TLS record that begins a handshake
 * starts with 22; a letter is somebody who speaks plain HTTP to a TLS port and gets an answer in plain HTTP.
 * Shared ports, which choose by the server name in the ClientHello, look here too.
 */
import type { Socket } from 'node:net';

/** What somebody begins with. */
export type Opening = 'tls' | 'text' | 'other';

const tlsHandshakeRecord = 22;

/** Calls back once with the first bytes' kind, which stay unread; never when the connection ends before. */
export function lookAtFirstByte(socket: Socket, onOpening: (opening: Opening) => void): void {
  const look = () => {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) return;
    socket.off('readable', look);
    socket.unshift(chunk);
    onOpening(openingOf(chunk[0] ?? 0));
  };
  socket.on('readable', look);
}

function openingOf(byte: number): Opening {
  if (byte === tlsHandshakeRecord) return 'tls';
  return byte >= 0x41 && byte <= 0x5a ? 'text' : 'other';
}
