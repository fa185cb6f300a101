/**
 * What a caller is answered when its request could not be served: a page for browsers, a problem (RFC 9457) for all
 * others, both with the code of docs/ERRORS.md, the cause in words, and the tracking ID under which the logs have it.
 */
import { STATUS_CODES } from 'node:http';
import type { Field } from '@postern/http';
import type { CallerCause, CallerCode } from '../errors.ts';

const statuses: Partial<Readonly<Record<CallerCode, number>>> = {
  EDGE_SOURCE_DENIED: 403,
  EDGE_ACCESS_DENIED: 403,
  EDGE_CLIENT_DENIED: 403,
  EDGE_DESTINATION_DELETED: 404,
  EDGE_HTTP_NAME_UNKNOWN: 404,
  EDGE_HTTP_HEAD_SLOW: 408,
  EDGE_HTTP_BODY_SLOW: 408,
  EDGE_HTTP_MISDIRECTED: 421,
  HTTP_MALFORMED: 400,
  HTTP_HEAD_TOO_LONG: 431,
  HTTP_TARGET_TOO_LONG: 414,
  HTTP_VERSION: 505,
  HTTP_METHOD: 501,
  HTTP_CODING: 501,
  HTTP_EXPECTATION: 417,
  EDGE_DESTINATION_DISABLED: 503,
  EDGE_GATEWAY_DISABLED: 503,
  EDGE_GATEWAY_UNKNOWN: 503,
  EDGE_NO_CLIENT: 503,
  EDGE_CLIENT_OUTDATED: 503,
  EDGE_CLIENT_LIMIT: 503,
  EDGE_OPENING_FULL: 503,
  EDGE_DRAINING: 503,
  EDGE_TOKEN_REVOKED: 503,
  EDGE_TOKEN_REQUIRED: 503,
  EDGE_RESOURCE_TIMED_OUT: 504,
  EDGE_CLIENT_SILENT: 504,
  EDGE_HTTP_ANSWER_LATE: 504,
  EDGE_IDLE: 504,
};

/** The status that tells a caller of this cause; 502 unless it has one of its own. */
export function statusOf(cause: CallerCause): number {
  return statuses[cause.code] ?? 502;
}

/** A whole answer of the edge's own. */
export interface Refusal {
  status: number;
  type: string;
  body: Buffer;
}

/** The answer, in the form that the request's Accept asks for. */
export function refusalAnswer(cause: CallerCause, trackingId: string, accept: string): Refusal {
  const status = statusOf(cause);
  const title = STATUS_CODES[status] ?? 'Error';
  if (prefersPage(accept)) {
    return {
      status,
      type: 'text/html; charset=utf-8',
      body: Buffer.from(page(status, title, cause, trackingId)),
    };
  }
  const problem = {
    type: `urn:postern:problem:${cause.code}`,
    title,
    status,
    detail: cause.text,
    code: cause.code,
    ...(cause.rule === undefined ? {} : { rule: cause.rule }),
    trackingId,
  };
  return { status, type: 'application/problem+json', body: Buffer.from(JSON.stringify(problem)) };
}

/** The value of Accept; empty when there is none. */
export function acceptOf(fields: readonly Field[]): string {
  return fields.find((field) => field.key === 'accept')?.value ?? '';
}

/** Fields of every answer of the edge's own. */
export const refusalFields: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'",
};

/** Only who names HTML gets it: a browser does, a program that takes anything does not. */
function prefersPage(accept: string): boolean {
  return /\btext\/html\b/i.test(accept) && !/\btext\/html\s*;\s*q=0(?:\.0*)?(?:\s*[,;]|\s*$)/i.test(accept);
}

function page(status: number, title: string, cause: CallerCause, trackingId: string): string {
  const rule = cause.rule === undefined ? '' : `<p>Rule: <code>${escape(cause.rule)}</code></p>`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${status} ${title}</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:4em auto;padding:0 1em}code{font-size:14px}</style>
</head><body><h1>${status} ${title}</h1>
<p>${escape(cause.text)}</p>${rule}
<p>Code: <code>${cause.code}</code><br>Tracking ID: <code>${escape(trackingId)}</code></p>
</body></html>
`;
}

function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
