/** How a client reaches a resource: part of OPEN's metadata, of tests and of health checks. */
import { Type, type Static } from 'typebox';
import { DestinationHosts, type DestinationResource, connectTimeoutSecondsMax } from './destination.ts';

const host = Type.String({ minLength: 1, maxLength: 255 });
const port = Type.Integer({ minimum: 1, maximum: 65535 });
const certificateId = Type.String({ minLength: 1, maxLength: 64 });

/** Whom to dial, by which proxy, and with which TLS on top. */
export const DialTarget = Type.Object({
  host,
  port,
  protocol: Type.Optional(
    Type.Union([Type.Literal('tcp'), Type.Literal('udp')], { description: 'TCP where it is missing' }),
  ),
  connectTimeoutSeconds: Type.Integer({ minimum: 0, maximum: connectTimeoutSecondsMax }),
  somePath: Type.Optional(
    Type.Boolean({ description: 'requests follow whose paths the node asks the access lists about' }),
  ),
  hosts: Type.Optional(DestinationHosts),
  keepAliveSeconds: Type.Optional(Type.Integer({ minimum: 0, maximum: 7200 })),
  proxy: Type.Optional(
    Type.Object({
      type: Type.Union([Type.Literal('socks4'), Type.Literal('socks4a'), Type.Literal('socks5')]),
      host,
      port,
      username: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
      passwordId: Type.Optional(certificateId),
    }),
  ),
  tls: Type.Optional(
    Type.Object({
      mode: Type.Union([Type.Literal('tls'), Type.Literal('mutual')]),
      serverName: Type.Union([Type.String({ minLength: 1, maxLength: 253 }), Type.Null()]),
      caCertificateIds: Type.Array(certificateId, { maxItems: 6 }),
      clientCertificateId: Type.Union([certificateId, Type.Null()]),
      rejectUnauthorized: Type.Boolean(),
    }),
  ),
});
export type DialTarget = Static<typeof DialTarget>;

/** How a destination's resource is reached; what is not used is left out, so that an OPEN stays small. */
export function dialTargetOf(resource: DestinationResource): DialTarget {
  const { host, port, protocol, hosts, connectTimeoutSeconds, keepAliveSeconds, proxy, tls } = resource;
  return {
    host,
    port,
    ...(protocol === 'udp' ? { protocol } : {}),
    // Of HTTP each request is judged by its own path.
    ...(protocol === 'http' ? { somePath: true } : {}),
    ...(hosts === undefined ? {} : { hosts }),
    // Who dials hears of it, and says what it waited for before who waits gives up.
    connectTimeoutSeconds: connectTimeoutSeconds || connectTimeoutSecondsMax,
    keepAliveSeconds,
    ...(proxy === null ? {} : { proxy }),
    ...(tls.mode === 'none' ? {} : { tls: { ...tls, mode: tls.mode } }),
  };
}
