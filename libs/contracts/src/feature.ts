/**
 * Features: what an end understands beyond the first version of the protocol. Both HELLOs name them, and an end that does
 * not name one is never sent what needs it: it would pass over the member that it does not know, and dial or listen
 * plainly where TLS was asked for. Names that are not known here are passed over, and passed on to other nodes.
 */
import { Type } from 'typebox';

/** Names of features, as HELLO and presence tell them. */
export const FeatureNames = Type.Array(Type.String({ minLength: 1, maxLength: 64 }), { maxItems: 64 });

/**
 * What each name says that its end understands: in OPEN's metadata, tests and checks `tls`, `proxy` (`proxyPassword`: its
 * `passwordId`), `hosts`, `protocol: udp`; in CONTROL `cloudDestinations` the listener's `tls`, `protocol: udp` and `protocol: http`
 * (`cloudHttp`, of nodes in OPEN too). `compress` is asked for where it is announced, and goes without where it is not.
 */
export type Feature =
  | 'tls'
  | 'proxy'
  | 'udp'
  | 'listenerTls'
  | 'compress'
  | 'proxyPassword'
  | 'cloudHttp'
  | 'hosts';

/** What the programs of this version understand. */
export const knownFeatures: readonly Feature[] = [
  'tls',
  'proxy',
  'udp',
  'listenerTls',
  'compress',
  'proxyPassword',
  'cloudHttp',
  'hosts',
];

/** What a client must understand to dial this. */
export function featuresToDial(target: {
  readonly protocol?: string | undefined;
  readonly tls?: unknown;
  readonly hosts?: unknown;
  readonly proxy?: { readonly passwordId?: string | undefined } | undefined;
}): Feature[] {
  const needs: Feature[] = [];
  if (target.tls !== undefined) needs.push('tls');
  if (target.proxy !== undefined) needs.push('proxy');
  if (target.proxy?.passwordId !== undefined) needs.push('proxyPassword');
  if (target.hosts !== undefined) needs.push('hosts');
  if (target.protocol === 'udp') needs.push('udp');
  return needs;
}

/** What a node must understand to dial a cloud destination's resource for callers of this protocol. */
export function featuresToDialCloud(protocol: string): Feature[] {
  if (protocol === 'http') return ['cloudHttp'];
  return featuresToDial({ protocol });
}

/** What a client must understand to listen for callers of this cloud destination. */
export function featuresToListen(destination: {
  readonly protocol?: string | undefined;
  readonly tls?: unknown;
}): Feature[] {
  const needs: Feature[] = [];
  if (destination.tls !== undefined) needs.push('listenerTls');
  if (destination.protocol === 'udp') needs.push('udp');
  if (destination.protocol === 'http') needs.push('cloudHttp');
  return needs;
}

/** Those that an end did not announce. */
export function featuresLacking(needs: readonly Feature[], announced: ReadonlySet<string>): Feature[] {
  return needs.filter((feature) => !announced.has(feature));
}
