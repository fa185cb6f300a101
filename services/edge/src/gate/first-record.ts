/**
 * The first TLS record of a connection (RFC 8446, section 5.1). Until it is whole nobody has shown anything, and half of
 * one takes nobody's turn. It is bounded as any record is; how long it may take is for the gate to say.
 */
import type { Socket } from 'node:net';
import { Gathered } from '@postern/http';

const headerBytes = 5;
const handshakeRecord = 22;
const recordBytesMax = 16_384;

/** Calls back once, when the first TLS record is there, or bytes that are none. They are unread again then. */
export function onFirstRecord(socket: Socket, callback: () => void): void {
  const head = new Gathered(Buffer.alloc(0));
  const look = (): void => {
    const piece = socket.read() as Buffer | null;
    if (piece === null || !isWhole(head.add(piece))) return;
    socket.off('readable', look);
    socket.unshift(head.all);
    callback();
  };
  socket.on('readable', look);
  socket.read(0);
}

function isWhole(head: Buffer): boolean {
  if (head.length < headerBytes) return false;
  if (head[0] !== handshakeRecord) return true;
  return head.length >= headerBytes + Math.min(head.readUInt16BE(3), recordBytesMax);
}
