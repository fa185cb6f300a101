/**
 * Requests that are no HTTP, too slow or too long in the head; there is no route and no reply for them. No connection
 * outlives this: a peer that does not read or does not close holds no place among the `connectionsMax`.
 */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { adminError } from '../errors.ts';
import { problemMediaType, problemOf } from './problem.ts';

/** The most that the head of a request may have. */
export const headerBytesMax = 16 * 1024;
/** How long an answer may take to leave before the connection is cut. */
const goodbyeMs = 1_000;
/** Nobody can be told: who does not end its handshake reads no answer, though the socket is writable. */
const silentCodes = new Set(['ECONNRESET', 'ERR_TLS_HANDSHAKE_TIMEOUT']);

/** Answers with a problem where somebody may read it, and cuts the connection. */
export function answerBrokenRequest(error: Error & { code?: string }, socket: Socket): void {
  if (silentCodes.has(error.code ?? '') || !socket.writable) {
    socket.destroy();
    return;
  }
  const problem = problemOf(refusalOf(error.code), randomBytes(12).toString('base64url'));
  const body = JSON.stringify(problem);
  socket.end(
    `HTTP/1.1 ${problem.status} ${problem.title}\r\ncontent-type: ${problemMediaType}\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
  setTimeout(() => socket.destroy(), goodbyeMs).unref();
}

function refusalOf(code: string | undefined): ReturnType<typeof adminError> {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return adminError('ADMIN_REQUEST_SLOW', 'the request did not arrive in time');
    case 'HPE_HEADER_OVERFLOW':
      return adminError(
        'ADMIN_HEADERS_TOO_LARGE',
        `the head of a request has at most ${headerBytesMax} bytes`,
      );
    default:
      return adminError('ADMIN_REQUEST_MALFORMED', 'the request is not well-formed HTTP');
  }
}
