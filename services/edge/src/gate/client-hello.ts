/**
 * Reads the first message of a TLS connection, the ClientHello, as far as a shared port needs it: which server name is
 * asked for, and which protocols are offered (ALPN). Pure; nothing is consumed, so the bytes can go on to whoever serves
 * the name. The message may be spread over several records, and records over several reads: what has come so far is
 * given again, whole, until it says that it is enough (RFC 8446, sections 4.1.2 and 5.1; RFC 6066, section 3).
 *
 *     record: type 22 | version 3.x | length ≤ 16 KiB | part of the message
 *     message: type 1 | length (24 bits) | version | random 32 | session ID | cipher suites | compression | extensions
 *
 * What has come is read from its start each time, so the records are bounded as the bytes are: else single bytes in
 * records of their own would have thousands of records walked at each read.
 * It checks no more than it must to find the extensions. That the rest is right is for the one who ends the handshake.
 */

/** Most bytes that a ClientHello may take with its record headers; announced lengths beyond it are refused unread. */
export const clientHelloBytesMax = 16_384;
/** Most records that it may be spread over. */
export const clientHelloRecordsMax = 16;

/** What a ClientHello asks for. */
export interface ClientHello {
  /** Lower case, without a dot at its end; null when none was sent. */
  serverName: string | null;
  /** In the caller's order. */
  protocols: readonly string[];
}

/** What has come so far: too little to tell, a ClientHello, or something else. */
export type HelloRead =
  | { kind: 'partial' }
  | { kind: 'hello'; hello: ClientHello }
  | { kind: 'invalid'; fault: string };

const handshakeRecord = 22;
const clientHelloMessage = 1;
const recordHeaderBytes = 5;
const recordBytesMax = 16_384;
const messageHeaderBytes = 4;
const extensionServerName = 0;
const extensionProtocols = 16;
const hostName = 0;
/** A DNS name in letters, digits, `-` and `_`; what else a name may hold is nobody's front. */
const dnsName = /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/;

/** Reads it from the first bytes of a connection. */
export function readClientHello(bytes: Buffer): HelloRead {
  try {
    const message = joinRecords(bytes);
    return message === null ? { kind: 'partial' } : { kind: 'hello', hello: readMessage(message) };
  } catch (error) {
    if (error instanceof HelloFault) return { kind: 'invalid', fault: error.message };
    throw error;
  }
}

class HelloFault extends Error {}

/** The handshake message without its header, from as many records as it takes; null when more must come. */
function joinRecords(bytes: Buffer): Buffer | null {
  const parts: Buffer[] = [];
  let have = 0;
  let wanted = messageHeaderBytes;
  let at = 0;
  while (have < wanted) {
    if (parts.length === clientHelloRecordsMax) throw tooManyRecords();
    checkRecordStart(bytes, at);
    if (bytes.length < at + recordHeaderBytes) return null;
    const length = bytes.readUInt16BE(at + 3);
    if (length === 0 || length > recordBytesMax)
      throw new HelloFault(`a TLS record of ${length} bytes is none`);
    const start = at + recordHeaderBytes;
    const part = bytes.subarray(start, start + length);
    parts.push(part);
    have += part.length;
    at = start + length;
    if (wanted === messageHeaderBytes && have >= messageHeaderBytes) wanted += messageLength(parts);
    if (part.length < length && have < wanted) return null;
    if (at > clientHelloBytesMax && have < wanted) throw tooLong();
  }
  return Buffer.concat(parts).subarray(messageHeaderBytes, wanted);
}

/** What is there of a record's type and version must be right, so that garbage is told from a slow caller. */
function checkRecordStart(bytes: Buffer, at: number): void {
  if (at < bytes.length && bytes[at] !== handshakeRecord)
    throw new HelloFault('this is no TLS handshake record');
  if (at + 1 < bytes.length && bytes[at + 1] !== 3) throw new HelloFault('this is no version of TLS');
}

function messageLength(parts: readonly Buffer[]): number {
  const header = Buffer.concat(parts).subarray(0, messageHeaderBytes);
  if (header[0] !== clientHelloMessage) throw new HelloFault('the first message is no ClientHello');
  const length = header.readUIntBE(1, 3);
  if (length > clientHelloBytesMax - messageHeaderBytes - recordHeaderBytes) throw tooLong();
  return length;
}

function tooLong(): HelloFault {
  return new HelloFault(`the ClientHello is longer than ${clientHelloBytesMax} bytes`);
}

function tooManyRecords(): HelloFault {
  return new HelloFault(`the ClientHello is spread over more than ${clientHelloRecordsMax} TLS records`);
}

function readMessage(message: Buffer): ClientHello {
  const body = new Cursor(message);
  body.skip(2 + 32);
  body.vector(1);
  body.vector(2);
  body.vector(1);
  const hello = { serverName: null as string | null, protocols: [] as string[] };
  if (body.isAtEnd) return hello;
  const extensions = body.vector(2);
  while (!extensions.isAtEnd) {
    const type = extensions.number(2);
    const extension = extensions.vector(2);
    if (type === extensionServerName) hello.serverName = readServerName(extension);
    else if (type === extensionProtocols) hello.protocols = readProtocols(extension);
  }
  return hello;
}

function readServerName(extension: Cursor): string | null {
  const names = extension.vector(2);
  while (!names.isAtEnd) {
    const type = names.number(1);
    const name = names.vector(2);
    if (type !== hostName) continue;
    const text = name.rest().toString('latin1').toLowerCase().replace(/\.$/, '');
    if (text.length > 253 || !dnsName.test(text)) throw new HelloFault('the server name is no DNS name');
    return text;
  }
  return null;
}

function readProtocols(extension: Cursor): string[] {
  const list = extension.vector(2);
  const protocols: string[] = [];
  while (!list.isAtEnd) protocols.push(list.vector(1).rest().toString('latin1'));
  return protocols;
}

/** Reads forward; a length that reaches past the end is a fault, never a read. */
class Cursor {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  skip(bytes: number): void {
    if (this.#at + bytes > this.#bytes.length) throw new HelloFault('the ClientHello ends too early');
    this.#at += bytes;
  }

  number(bytes: number): number {
    const start = this.#at;
    this.skip(bytes);
    return this.#bytes.readUIntBE(start, bytes);
  }

  /** What a length of so many bytes announces. */
  vector(lengthBytes: number): Cursor {
    const length = this.number(lengthBytes);
    const start = this.#at;
    this.skip(length);
    return new Cursor(this.#bytes.subarray(start, this.#at));
  }

  rest(): Buffer {
    return this.#bytes.subarray(this.#at);
  }
}
