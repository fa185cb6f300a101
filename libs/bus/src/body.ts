/** Bodies as they cross the bus: JSON text, at most `messageBytesMax`, so that no two services share an object. */
import { BusError } from './bus-error.ts';

/** Longest body; NATS servers allow as much unless told otherwise. */
export const messageBytesMax = 1024 * 1024;

/** The body's bytes; nothing becomes `null`. Throws `BUS_MESSAGE_TOO_LARGE`. */
export function encodeBody(body: unknown, subject: string): Uint8Array {
  const bytes = Buffer.from(JSON.stringify(body) ?? 'null');
  if (bytes.length > messageBytesMax) {
    throw new BusError(
      'BUS_MESSAGE_TOO_LARGE',
      `${bytes.length} bytes for ${subject}; a message has at most ${messageBytesMax}`,
    );
  }
  return bytes;
}

/** What the bytes say. Throws `BUS_BODY_INVALID`. */
export function decodeBody(bytes: Uint8Array, subject: string): unknown {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString());
  } catch (cause) {
    throw new BusError('BUS_BODY_INVALID', `a body on ${subject} is not JSON`, { cause });
  }
}
