/**
 * The names that the router makes. A default host is `<name>-<gateway>.<platform host>`: the gateway's ID has no `-`
 * and only small letters and digits, so the last `-` parts the two and no two hosts differ by case alone.
 */
import { randomInt } from 'node:crypto';
import type { DestinationFront } from '@postern/contracts';

const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789';
const gatewayIdLength = 11;
const labelLengthMax = 63;

/** A new gateway ID: 11 random characters. */
export function newGatewayId(): string {
  return Array.from({ length: gatewayIdLength }, () => alphabet.charAt(randomInt(alphabet.length))).join('');
}

/** The DNS label that a destination's name becomes beside its gateway's ID; empty when nothing of it can be kept. */
export function dnsLabel(name: string): string {
  return name
    .normalize('NFKD')
    .replaceAll(/\p{M}/gu, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replace(/^-/, '')
    .slice(0, labelLengthMax - gatewayIdLength - 1)
    .replace(/-$/, '');
}

/** The host of a front that was given none. */
export function defaultHost(name: string, gatewayId: string, platformHost: string): string {
  return `${dnsLabel(name)}-${gatewayId}.${platformHost}`;
}

/** The gateway whose default hosts have this form; null where none has. The host is in lower case. */
export function gatewayOfHost(host: string, platformHost: string): string | null {
  if (!host.endsWith(`.${platformHost}`)) return null;
  const label = host.slice(0, -platformHost.length - 1);
  return /-([a-z0-9]{11})$/.exec(label)?.[1] ?? null;
}

/** Where callers reach a front. */
export function frontUrl(front: DestinationFront): string {
  const host = front.host.includes(':') ? `[${front.host}]` : front.host;
  return `${schemeOf(front)}://${host}:${front.port}`;
}

function schemeOf({ protocol, tls }: DestinationFront): string {
  if (tls.mode === 'none') return protocol;
  return protocol === 'http' ? 'https' : 'tls';
}
