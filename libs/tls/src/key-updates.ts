/**
 * How often a peer may have the keys of a connection changed (TLS 1.3, KeyUpdate; RFC 8446, section 4.6.3). OpenSSL has no
 * bound and no switch for it, and Node hears nothing of it. One is 27 bytes and costs 10 to 20 µs, and the system hands on
 * up to 2 MiB of a connection in one turn of the event loop: ten strangers who said nothing else, a megabyte each, kept
 * the callers of a node waiting for six seconds.
 *
 * What tells of one is the line for a key log, which OpenSSL makes for each new secret. It comes in the middle of a read,
 * when the connection must not be ended yet; so reading stops at once, and the connection ends behind this turn.
 */
import type { TLSSocket } from 'node:tls';

/** Of both directions. Programs change keys after some ten million records, so that none comes near it. */
const secretsMax = 64;
const periodMs = 60_000;

/** Ends a connection whose peer changes keys for the sake of it. To be called when the handshake is done. */
export function boundKeyUpdates(socket: TLSSocket): void {
  let since = performance.now();
  let secrets = 0;
  const handleLine = (line: Buffer): void => {
    if (!line.includes('_TRAFFIC_SECRET_N ')) return;
    const now = performance.now();
    if (now - since >= periodMs) {
      since = now;
      secrets = 0;
    }
    secrets += 1;
    if (secrets <= secretsMax) return;
    socket.off('keylog', handleLine);
    stopReading(socket);
    setImmediate(() => socket.destroy());
  };
  socket.on('keylog', handleLine);
}

/** `pause` would let the system hand on the rest. */
function stopReading(socket: TLSSocket): void {
  const { _handle: handle } = socket as unknown as { _handle: { readStop?(): void } | null };
  handle?.readStop?.();
}
