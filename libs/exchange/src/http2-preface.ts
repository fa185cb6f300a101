/** HTTP/2 without TLS, by prior knowledge (RFC 9113, 3.3): a connection that begins with what no request of HTTP/1.1 is. */

/** What a connection of HTTP/2 begins with. */
export const http2Preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** Whether a connection that begins with these bytes may be one of HTTP/2. */
export function beginsHttp2(bytes: Buffer): boolean {
  const length = Math.min(bytes.length, http2Preface.length);
  return bytes.length >= 3 && bytes.compare(http2Preface, 0, length, 0, length) === 0;
}
