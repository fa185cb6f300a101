/**
 * What a caller is answered when its request could not be served: a page for browsers, a problem (RFC 9457) for all
 * others, both with the code of docs/ERRORS.md, the cause in words, and the tracking ID under which the logs have it.
 */
import { STATUS_CODES } from 'node:http';
import { type Field, trackingField } from '@postern/http';
import type { Cause } from './cause.ts';

/** The fields and the body of the answer with this status, in the form that the fields of its request ask for. */
export function refusalAnswer(
  cause: Cause,
  status: number,
  trackingId: string,
  asked: readonly Field[],
): { fields: Field[]; body: Buffer } {
  const isPage = prefersPage(asked.find(({ key }) => key === 'accept')?.value ?? '');
  const body = Buffer.from((isPage ? pageOf : problemOf)(cause, status, trackingId));
  const told = {
    ...refusalFields,
    'Content-Type': isPage ? 'text/html; charset=utf-8' : 'application/problem+json',
    'Content-Length': String(body.length),
    [trackingField]: trackingId,
  };
  return {
    body,
    fields: Object.entries(told).map(([name, value]) => ({ name, key: name.toLowerCase(), value })),
  };
}

function problemOf(cause: Cause, status: number, trackingId: string): string {
  const problem = {
    type: `urn:postern:problem:${cause.code}`,
    title: titleOf(status),
    status,
    detail: cause.text,
    code: cause.code,
    ...(cause.rule === undefined ? {} : { rule: cause.rule }),
    trackingId,
  };
  return JSON.stringify(problem);
}

function titleOf(status: number): string {
  return STATUS_CODES[status] ?? 'Error';
}

/** Of every answer of the serving end's own. */
const refusalFields: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'",
};

/** Only who names HTML gets it: a browser does, a program that takes anything does not. */
function prefersPage(accept: string): boolean {
  return /\btext\/html\b/i.test(accept) && !/\btext\/html\s*;\s*q=0(?:\.0*)?(?:\s*[,;]|\s*$)/i.test(accept);
}

function pageOf(cause: Cause, status: number, trackingId: string): string {
  const title = titleOf(status);
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
