/**
 * A request's head as it is sent to the resource: its own Host, nothing that was meant for this hop only (RFC 9110,
 * 7.6.1), and who called, told by the gateway alone. What a caller says of itself in these fields is dropped, unless
 * it is a balancer that is trusted; so are the same names with `_` or `.`, which some servers read as `-`. What names
 * another path than the one that was judged is dropped from anybody.
 */
import { type RequestDestination, formatDestination } from './destination.ts';
import { isUsual } from './field-name.ts';
import { type Field, listOf } from './field.ts';
import type { Framing } from './framing.ts';

/** Who called, and how. */
export interface CallerFacts {
  address: string;
  scheme: 'http' | 'https';
  /** Host and port as the caller named them. */
  authority: string;
  /** The fields by which a balancer tells of its own callers are believed. */
  trusted: boolean;
  /** The verified certificate of a caller, in DER, where it is to be passed on (RFC 9440). */
  certificate: Buffer | null;
}

/** A request on its way. */
export interface RequestForward {
  method: string;
  /** Path and query. */
  target: string;
  fields: readonly Field[];
  framing: Framing;
  /** As in Via: 1.0, 1.1, 2.0. */
  version: string;
  /** Host and port of the resource. */
  authority: string;
  scheme: 'http' | 'https';
  /** In place of what the Destination field says. */
  destination: RequestDestination | null;
  /** The port that the caller called. */
  port: number;
  caller: CallerFacts;
  /** The protocols to change to, where the caller asks for it. */
  upgrade: string | null;
  trackingId: string;
  /** The trace as the resource is told of it, in place of what the caller told; null: that is passed on as it is. */
  trace?: { readonly traceparent: string; readonly tracestate?: string | undefined } | null;
}

/** The name of this program in Via. */
export const viaName = 'postern';
/** In requests and answers: names this one request in the logs. */
export const trackingField = 'Postern-Tracking-Id';

const otherSign = /[^a-z0-9-]/;

const hop = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'te',
  'transfer-encoding',
  'content-length',
  'upgrade',
  'http2-settings',
  'host',
]);
const told = new Set([
  'forwarded',
  'x-real-ip',
  'client-cert',
  'client-cert-chain',
  'postern-tracking-id',
  // By CGI it becomes HTTP_PROXY, which many programs take for the proxy by which they go out (httpoxy).
  'proxy',
  // Resources that heed these serve another path than the rules have judged.
  'x-original-url',
  'x-rewrite-url',
]);
/** Names of RFC 9112's own mechanics, which Connection cannot take away. */
const kept = new Set(['close', 'keep-alive', 'upgrade', 'te', 'host', 'content-length', 'transfer-encoding']);

/** The head, with its empty line, in Latin-1. */
export function formatRequestHead(request: RequestForward): string {
  const { fields, caller, trace = null } = request;
  const named = nominated(fields);
  let text = `${request.method} ${request.target} HTTP/1.1\r\nHost: ${request.authority}\r\n`;
  let wantsTrailers = false;
  let requestId = false;
  const before: Partial<Record<'forwarded' | 'x-forwarded-for', string>> = {};
  const balancers = new Set<string>();
  for (const { name, key, value } of fields) {
    if (hop.has(key)) {
      if (key === 'te' && /(?:^|,)\s*trailers\s*(?:,|$)/i.test(value)) wantsTrailers = true;
      continue;
    }
    if (named !== null && named.has(key)) continue;
    if (trace !== null && (key === 'traceparent' || key === 'tracestate')) continue;
    if (isTold(key)) {
      if (caller.trusted && (key === 'forwarded' || key === 'x-forwarded-for')) {
        before[key] = before[key] === undefined ? value : `${before[key]}, ${value}`;
      } else if (caller.trusted && isBalancers(key)) {
        text += `${name}: ${value}\r\n`;
        balancers.add(key);
      }
      continue;
    }
    if (key === 'destination' && request.destination !== null) {
      text += `${name}: ${formatDestination(request.destination, caller, request)}\r\n`;
      continue;
    }
    if (key === 'x-request-id') requestId = true;
    text += `${name}: ${value}\r\n`;
  }
  if (request.framing.kind === 'length') text += `Content-Length: ${request.framing.length}\r\n`;
  else if (request.framing.kind === 'chunked') text += 'Transfer-Encoding: chunked\r\n';
  text += callerFields(request, before, balancers);
  if (trace !== null) {
    text += `traceparent: ${trace.traceparent}\r\n`;
    if (trace.tracestate !== undefined) text += `tracestate: ${trace.tracestate}\r\n`;
  }
  if (!requestId) text += `X-Request-ID: ${request.trackingId}\r\n`;
  if (request.upgrade !== null) text += `Connection: Upgrade\r\nUpgrade: ${request.upgrade}\r\n`;
  else if (wantsTrailers) text += 'Connection: TE\r\nTE: trailers\r\n';
  return `${text}\r\n`;
}

/** The fields that Connection names as meant for this hop only; null when there are none but the usual. */
export function nominated(fields: readonly Field[]): Set<string> | null {
  let names: Set<string> | null = null;
  for (const option of listOf(fields, 'connection')) {
    if (!kept.has(option)) (names ??= new Set()).add(option);
  }
  return names;
}

/**
 * The protocols that the caller asks to change to. HTTP/2 and TLS are not among them: they would carry requests past
 * the gateway's eyes.
 */
export function upgradeOf(fields: readonly Field[], minor: 0 | 1): string | null {
  if (minor === 0 || !listOf(fields, 'connection').includes('upgrade')) return null;
  const protocols = fields
    .filter((field) => field.key === 'upgrade')
    .flatMap((field) => field.value.split(','))
    .map((protocol) => protocol.trim())
    .filter((protocol) => protocol !== '' && !/^(?:h2c?|tls|http)(?:\/|$)/i.test(protocol));
  return protocols.length === 0 ? null : protocols.join(', ');
}

/** Whether the field is for the gateway alone to tell, or for nobody, as any server may read its name. */
export function isTold(key: string): boolean {
  const name = asReadByCgi(key);
  return told.has(name) || name.startsWith('x-forwarded') || hop.has(name);
}

/**
 * A name in the one spelling of all that are the same to who reads it by CGI: "_" and "-" are (RFC 3875, section 4.1.18),
 * and to some servers whatever is neither letter nor digit.
 */
export function asReadByCgi(key: string): string {
  // Nearly all are that spelling already, and this is asked of each field of each request.
  return isUsual(key) || !otherSign.test(key) ? key : key.replaceAll(/[^a-z0-9-]/g, '-');
}

/** What a trusted balancer may say beside the two lists that are added to. Never a certificate, a tracking ID or another path. */
function isBalancers(key: string): boolean {
  return key === 'x-real-ip' || key.startsWith('x-forwarded-');
}

function callerFields(
  { caller, port, version, trackingId }: RequestForward,
  before: Partial<Record<'forwarded' | 'x-forwarded-for', string>>,
  balancers: ReadonlySet<string>,
): string {
  const { address, scheme, authority, certificate } = caller;
  const node = address.includes(':') ? `"[${address}]"` : address;
  const host = authority === '' ? '' : `;host=${/^[\w.-]+$/.test(authority) ? authority : `"${authority}"`}`;
  let text = `Forwarded: ${listed(before.forwarded)}for=${node}${host};proto=${scheme}\r\n`;
  text += `X-Forwarded-For: ${listed(before['x-forwarded-for'])}${address}\r\n`;
  // A port or host beside a scheme that another tells would be of another call.
  if (!balancers.has('x-forwarded-proto')) {
    text += `X-Forwarded-Proto: ${scheme}\r\n`;
    if (!balancers.has('x-forwarded-port')) text += `X-Forwarded-Port: ${port}\r\n`;
    if (!balancers.has('x-forwarded-host') && authority !== '') text += `X-Forwarded-Host: ${authority}\r\n`;
  }
  if (certificate !== null) text += `Client-Cert: :${certificate.toString('base64')}:\r\n`;
  return `${text}Via: ${version} ${viaName}\r\n${trackingField}: ${trackingId}\r\n`;
}

function listed(before: string | undefined): string {
  return before === undefined || before === '' ? '' : `${before}, `;
}
