/**
 * What a connection begins with, as far as a port that speaks TLS must know it before TLS does. PostgreSQL's clients ask
 * in eight bytes of their own whether there is TLS and wait for one byte as the answer; only then comes the
 * ClientHello (its manual, "SSL Session Encryption"). Everything else begins with the ClientHello itself.
 */
import { type ClientHello, readClientHello } from './client-hello.ts';

/** What came first. `postgres` wants an answer and begins anew after it. */
export type FirstBytes =
  | { kind: 'hello'; hello: ClientHello }
  | { kind: 'tls' }
  | { kind: 'postgres'; answer: 'S' | 'N' }
  | { kind: 'text' }
  | { kind: 'other'; fault: string };

/** PostgreSQL's questions have this length, in four bytes, and begin with it. */
const postgresRequestBytes = 8;
const postgresAnswers: Readonly<Record<number, 'S' | 'N'>> = {
  80_877_103: 'S', // SSLRequest
  80_877_104: 'N', // GSSENCRequest: there is none here; the client asks for TLS next.
};
const tlsHandshakeRecord = 22;

/** On a port that server names tell apart: reads the whole ClientHello; null until there is enough. */
export function lookForName(bytes: Buffer): FirstBytes | null {
  if (bytes[0] !== tlsHandshakeRecord) return lookForTls(bytes);
  const read = readClientHello(bytes);
  switch (read.kind) {
    case 'partial':
      return null;
    case 'hello':
      return read;
    case 'invalid':
      return { kind: 'other', fault: read.fault };
  }
}

/** On a port where the destination is known: only whether TLS comes; null until there is enough. */
export function lookForTls(bytes: Buffer): FirstBytes | null {
  const [first = 0] = bytes;
  if (first === tlsHandshakeRecord) return { kind: 'tls' };
  if (first === 0) return lookForPostgres(bytes);
  if (first >= 0x41 && first <= 0x5a) return { kind: 'text' };
  return { kind: 'other', fault: 'this port speaks TLS, and something else came' };
}

function lookForPostgres(bytes: Buffer): FirstBytes | null {
  const length = Buffer.from([0, 0, 0, postgresRequestBytes]);
  if (!bytes.subarray(0, length.length).equals(length.subarray(0, bytes.length))) return notTls();
  if (bytes.length < postgresRequestBytes) return null;
  const answer = postgresAnswers[bytes.readUInt32BE(4)];
  if (answer === undefined) return notTls();
  // Whatever follows an unanswered question could only be meant to be taken for what TLS protects.
  if (bytes.length > postgresRequestBytes)
    return { kind: 'other', fault: 'bytes came before the answer to a question about TLS' };
  return { kind: 'postgres', answer };
}

function notTls(): FirstBytes {
  return { kind: 'other', fault: 'this port speaks TLS, and something else came' };
}
