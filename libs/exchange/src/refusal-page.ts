/**
 * What a caller is answered when its request could not be served: a page for browsers, a problem (RFC 9457) for all
 * others, both with the code of docs/ERRORS.md, the cause in words, and the tracking ID under which the logs have it.
 */
import { STATUS_CODES } from 'node:http';
import type { Field } from '@postern/http';
import type { Cause } from './cause.ts';

/** A whole answer of the serving end's own. */
export interface Refusal {
  status: number;
  type: string;
  body: Buffer;
}

/** The answer with this status, in the form that the request's Accept asks for. */
export function refusalAnswer(cause: Cause, status: number, trackingId: string, accept: string): Refusal {
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

/** Fields of every answer of the serving end's own. */
export const refusalFields: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'",
};

/** Only who names HTML gets it: a browser does, a program that takes anything does not. */
function prefersPage(accept: string): boolean {
  return /\btext\/html\b/i.test(accept) && !/\btext\/html\s*;\s*q=0(?:\.0*)?(?:\s*[,;]|\s*$)/i.test(accept);
}

function page(status: number, title: string, cause: Cause, trackingId: string): string {
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
