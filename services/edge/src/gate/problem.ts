/** Answers of the connect port: JSON, problems (RFC 9457) with a code of docs/ERRORS.md, and the end of the connection. */
import { randomUUID } from 'node:crypto';
import { STATUS_CODES, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ConnectRefusalCode } from '../errors.ts';

/** A first call, or an upgrade, that is refused. `code` may be one that acl gave. */
export class ConnectRefusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly retryAfterSeconds: number | undefined;
  /** Which gateway was called, as the caller says. */
  gatewayId: string | undefined;

  constructor(status: number, code: ConnectRefusalCode, detail: string, retryAfterSeconds?: number) {
    super(detail);
    this.name = 'ConnectRefusal';
    this.status = status;
    this.code = code;
    this.retryAfterSeconds = retryAfterSeconds;
  }

  /** A refusal with a code that another service gave. */
  static passOn(status: number, code: string, detail: string, gatewayId: string): ConnectRefusal {
    const refusal = new ConnectRefusal(status, code as ConnectRefusalCode, detail);
    refusal.gatewayId = gatewayId;
    return refusal;
  }
}

/** Sends JSON. The connection ends with it: a first call is rare, and an idle connection would only take a place. */
export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': status >= 400 ? 'application/problem+json' : 'application/json',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    connection: 'close',
    ...headers,
  });
  response.end(text);
}

/** Sends the problem; returns its tracking ID for the log. */
export function sendProblem(response: ServerResponse, refusal: ConnectRefusal): string {
  const trackingId = randomUUID();
  sendJson(response, refusal.status, problemBody(refusal, trackingId), retryHeader(refusal));
  return trackingId;
}

/** The same on a connection that has no response object: an upgrade, or plain HTTP where TLS belongs. */
export function writeRawProblem(socket: Duplex, refusal: ConnectRefusal): string {
  const trackingId = randomUUID();
  const text = JSON.stringify(problemBody(refusal, trackingId));
  const headers = {
    'content-type': 'application/problem+json',
    'content-length': String(Buffer.byteLength(text)),
    connection: 'close',
    ...retryHeader(refusal),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${refusal.status} ${title(refusal)}\r\n${lines.join('')}\r\n${text}`);
  return trackingId;
}

function problemBody(refusal: ConnectRefusal, trackingId: string): object {
  return {
    type: `urn:postern:problem:${refusal.code}`,
    title: title(refusal),
    status: refusal.status,
    detail: refusal.message,
    code: refusal.code,
    trackingId,
  };
}

function retryHeader(refusal: ConnectRefusal): Record<string, string> {
  return refusal.retryAfterSeconds === undefined ? {} : { 'retry-after': String(refusal.retryAfterSeconds) };
}

function title(refusal: ConnectRefusal): string {
  return STATUS_CODES[refusal.status] ?? 'Error';
}
