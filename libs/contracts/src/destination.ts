/**
 * Destinations with their fronts, and what admin asks the router about them. The schema is the whole document of
 * the admin API; a value that the router does not serve is refused with `ROUTER_NOT_SUPPORTED` (422) naming
 * the field, never taken and ignored. Refusals: `ROUTER_DESTINATION_NOT_FOUND` and `ROUTER_GATEWAY_NOT_FOUND`
 * (404), `ROUTER_INVALID` (400), `ROUTER_REVISION_STALE` (412), `ROUTER_FRONT_TAKEN`, `ROUTER_FRONT_RESTING`,
 * `ROUTER_FRONT_RESERVED`, `ROUTER_CLIENT_PORT_TAKEN`, `ROUTER_PORTS_EXHAUSTED` and `ROUTER_LIMIT` (409).
 */
import { Type, type Static } from 'typebox';
import { Value } from 'typebox/value';
import { keyGatewaysProperty } from './api-key.ts';
import {
  Done,
  MergePatch,
  certificateNamePattern,
  expectedRevision,
  lineOf,
  objectProperties,
  pageOf,
  pageRequestProperties,
  revocationListPattern,
} from './object.ts';
import { passwordIdPrefix } from './password.ts';
import { defineQuestion } from './question.ts';

const closed = { additionalProperties: false };
const orNull = <T extends ReturnType<typeof Type.String> | ReturnType<typeof Type.Integer>>(schema: T) =>
  Type.Union([schema, Type.Null()], { default: null });
const id = Type.String({ minLength: 1, maxLength: 64 });
const ids = (max: number) => Type.Array(id, { maxItems: max, default: [] });
const host = Type.String({ minLength: 1, maxLength: 253 });
const port = Type.Integer({ minimum: 1, maximum: 65535 });
const clientPort = Type.Integer({
  minimum: 1,
  maximum: 65535,
  description: 'of a cloud destination: the port on which the client listens for its callers',
});
const name = Type.String({ minLength: 1, maxLength: 128 });
const enabled = Type.Boolean({
  default: true,
  description: 'false refuses new connections and keeps the port',
});

/** Where its resource is: behind the client, or in reach of the nodes. */
export const DestinationKind = Type.Union([Type.Literal('on-premises'), Type.Literal('cloud')], {
  default: 'on-premises',
});
export type DestinationKind = Static<typeof DestinationKind>;

/** The most cloud destinations of one gateway: a client is told all of them in one frame of 64 KiB. */
export const cloudDestinationsMax = 64;

/** What a stream is: bytes, HTTP, or datagrams. */
export const StreamProtocol = Type.Union([Type.Literal('tcp'), Type.Literal('http'), Type.Literal('udp')], {
  default: 'tcp',
});
export type StreamProtocol = Static<typeof StreamProtocol>;

const resourceTls = {
  mode: Type.Union([Type.Literal('none'), Type.Literal('tls'), Type.Literal('mutual')], { default: 'none' }),
  serverName: orNull(Type.String({ minLength: 1, maxLength: 253 })),
  caCertificateIds: ids(6),
  clientCertificateId: orNull(Type.String({ minLength: 1, maxLength: 64 })),
  rejectUnauthorized: Type.Boolean({ default: true }),
};

const resourceProxy = {
  type: Type.Union([Type.Literal('socks4'), Type.Literal('socks4a'), Type.Literal('socks5')]),
  host,
  port,
  username: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 255,
      description: 'SOCKS 4 and 4a: the user ID; SOCKS 5: the user',
    }),
  ),
  passwordId: Type.Optional(
    Type.String({
      pattern: `^${passwordIdPrefix}[0-9a-z]+$`,
      maxLength: 64,
      description:
        'which stored password the proxy is shown; good for this gateway, proxy and user only. The password itself is never shown',
    }),
  ),
};
const ResourceProxy = Type.Union([Type.Object(resourceProxy), Type.Null()], { default: null });
/** A password goes to certstore before anything else sees it; what is left of it is its ID. */
export const ResourceProxyInput = Type.Union(
  [
    Type.Object(
      {
        ...resourceProxy,
        password: Type.Optional(
          Type.String({
            minLength: 1,
            maxLength: 255,
            description: 'SOCKS 5 (RFC 1929): stored encrypted, and shown by its passwordId from then on',
          }),
        ),
      },
      closed,
    ),
    Type.Null(),
  ],
  { default: null },
);
export type ResourceProxyInput = Static<typeof ResourceProxyInput>;

/** Addresses of names, for whoever dials; at most those of the resource and of the proxy before it. */
export const DestinationHosts = Type.Record(
  Type.String({ pattern: '^[^/]{1,253}$' }),
  Type.String({ minLength: 2, maxLength: 45 }),
  {
    maxProperties: 2,
    description:
      'addresses of names that whoever dials cannot resolve: of resource.host, and of the proxy. The client’s own hosts go before it',
  },
);
export type DestinationHosts = Static<typeof DestinationHosts>;

/** The longest that anybody waits for a resource to be reached, also where the destination has no time-out. */
export const connectTimeoutSecondsMax = 180;

const resourceOptions = {
  hosts: Type.Optional(DestinationHosts),
  proxy: ResourceProxy,
  connectTimeoutSeconds: Type.Integer({
    minimum: 0,
    maximum: connectTimeoutSecondsMax,
    default: 30,
    description: '0: as long as the system of who dials tries, and three minutes at most',
  }),
  idleTimeoutSeconds: Type.Integer({ minimum: 0, maximum: 604800, default: 0, description: '0 never' }),
  keepAliveSeconds: Type.Integer({
    minimum: 0,
    maximum: 7200,
    default: 60,
    description: 'silence after which TCP asks whether the resource is still there; 0 never',
  }),
  compress: Type.Boolean({
    default: false,
    description:
      'whether data is compressed between node and client (zstd), where the client knows how; not for UDP, nor where TLS is passed through',
  }),
};

const frontTls = {
  mode: Type.Union(
    [Type.Literal('none'), Type.Literal('server'), Type.Literal('mutual'), Type.Literal('passthrough')],
    { default: 'none' },
  ),
  certificateId: orNull(Type.String({ minLength: 1, maxLength: 64 })),
  clientCaIds: ids(16),
  clientNames: Type.Array(
    Type.String({
      maxLength: 256,
      pattern: certificateNamePattern,
    }),
    {
      maxItems: 64,
      default: [],
      description:
        'which callers with a certificate of the client CAs are let in, by a name in it: CN:app-*, DNS:*.corp.example, URI:spiffe://corp/*; all when empty',
    },
  ),
  revocationLists: Type.Array(Type.String({ maxLength: 32_768, pattern: revocationListPattern }), {
    maxItems: 4,
    default: [],
    description:
      'revocation lists of the client CAs, PEM, one in each: complete lists, no delta or indirect ones',
  }),
  passClientCertificate: Type.Boolean({
    default: false,
    description:
      'for HTTP: whether the resource is sent the caller’s verified certificate, in Client-Cert (RFC 9440)',
  }),
  revocationListUrls: Type.Array(Type.String({ maxLength: 1024, pattern: '^https?://' }), {
    maxItems: 8,
    default: [],
    description: 'where nodes fetch revocation lists; their setting revocationListHosts must name the host',
  }),
};

const listenerTls = {
  mode: Type.Union([Type.Literal('none'), Type.Literal('server'), Type.Literal('mutual')], {
    default: 'none',
  }),
  certificateId: orNull(Type.String({ minLength: 1, maxLength: 64 })),
  clientCaIds: ids(4),
};

const proxyProtocol = Type.Union([Type.Literal('off'), Type.Literal('v1'), Type.Literal('v2')], {
  default: 'off',
  description: 'what the resource is sent',
});
const proxyProtocolFacts = Type.Boolean({
  default: false,
  description:
    'whether PROXY v2 also tells the server name, the protocol (ALPN), the tracking ID and what the caller’s TLS and certificate say',
});

const health = {
  kind: Type.Union(
    [
      Type.Literal('none'),
      Type.Literal('tcp'),
      Type.Literal('tls'),
      Type.Literal('http'),
      Type.Literal('udp', {
        description: 'for UDP: an empty datagram, and whether ICMP says that nobody listens there',
      }),
    ],
    { default: 'none' },
  ),
  path: Type.String({ minLength: 1, maxLength: 1024, pattern: '^/', default: '/' }),
  intervalSeconds: Type.Integer({ minimum: 1, maximum: 3600, default: 10 }),
};

/** `below` says of its objects below the first level whether they may have fields that are not known. */
const destinationInput = (below: { additionalProperties?: boolean }) =>
  Type.Object(
    {
      name: lineOf({ minLength: 1, maxLength: 128 }),
      kind: Type.Optional(DestinationKind),
      enabled: Type.Optional(enabled),
      resource: Type.Object(
        {
          host,
          port,
          protocol: Type.Optional(StreamProtocol),
          tls: Type.Optional(Type.Partial(Type.Object(resourceTls), below)),
          ...Type.Partial(Type.Object({ ...resourceOptions, proxy: ResourceProxyInput })).properties,
        },
        closed,
      ),
      front: Type.Optional(
        Type.Object(
          {
            protocol: Type.Optional(StreamProtocol),
            host: Type.Optional(orNull(Type.String({ minLength: 1, maxLength: 253 }))),
            port: Type.Optional(orNull(Type.Integer({ minimum: 1, maximum: 65535 }))),
            tls: Type.Optional(Type.Partial(Type.Object(frontTls), below)),
            proxyProtocol: Type.Optional(proxyProtocol),
            proxyProtocolFacts: Type.Optional(proxyProtocolFacts),
          },
          closed,
        ),
      ),
      clientPort: Type.Optional(clientPort),
      listener: Type.Optional(
        Type.Object({ tls: Type.Optional(Type.Partial(Type.Object(listenerTls), below)) }, closed),
      ),
      health: Type.Optional(Type.Partial(Type.Object(health), below)),
    },
    closed,
  );

/** What a destination is made from. Defaults are the owner's to fill in. */
export const DestinationInput = destinationInput(closed);
export type DestinationInput = Static<typeof DestinationInput>;

/**
 * A stored destination with a merge patch applied. What another version has stored below `tls` or `health` stays: the patch
 * itself is checked by whoever takes it.
 */
export const PatchedDestination = destinationInput({});

/** How a resource is reached, whole: what the operator left out has its default. */
export const DestinationResource = Type.Object({
  host,
  port,
  protocol: StreamProtocol,
  tls: Type.Object(resourceTls),
  ...resourceOptions,
});
export type DestinationResource = Static<typeof DestinationResource>;

/** A front, whole, without the URL that is made from it. */
export const DestinationFront = Type.Object({
  protocol: StreamProtocol,
  host,
  port,
  tls: Type.Object(frontTls),
  proxyProtocol,
  proxyProtocolFacts,
});
export type DestinationFront = Static<typeof DestinationFront>;

/** How the client takes callers of a cloud destination on `clientPort`, whole. */
export const DestinationListener = Type.Object({ tls: Type.Object(listenerTls) });
export type DestinationListener = Static<typeof DestinationListener>;

/** How clients check a resource's health, whole. */
export const DestinationHealth = Type.Object(health);
export type DestinationHealth = Static<typeof DestinationHealth>;

/** What a destination has where its operator says nothing: the defaults that the schemas name. */
export const destinationDefaults = {
  resource: Value.Create(Type.Omit(DestinationResource, ['host', 'port'])),
  front: Value.Create(Type.Omit(DestinationFront, ['host', 'port'])),
  listener: Value.Create(DestinationListener),
  health: Value.Create(DestinationHealth),
};

/** What an operator should know of a destination although it is served. */
export const DestinationWarning = Type.Object({
  path: Type.String({ description: 'JSON pointer into the destination' }),
  code: Type.String({ description: 'a code of docs/ERRORS.md' }),
  message: Type.String(),
});
export type DestinationWarning = Static<typeof DestinationWarning>;

/** A destination as it is shown; `front` is missing on cloud destinations, which have `clientPort` and `listener` in its place. */
export const Destination = Type.Object({
  ...objectProperties,
  gatewayId: Type.String(),
  name,
  kind: DestinationKind,
  enabled,
  resource: DestinationResource,
  front: Type.Optional(
    Type.Object({
      ...DestinationFront.properties,
      url: Type.String({ description: 'where callers reach it' }),
    }),
  ),
  clientPort: Type.Optional(clientPort),
  listener: Type.Optional(DestinationListener),
  health: DestinationHealth,
  warnings: Type.Array(DestinationWarning),
});
export type Destination = Static<typeof Destination>;

const one = { gatewayId: Type.String(), id: Type.String() };

/** Makes a destination and takes its front. `CERTSTORE_CERTIFICATE_DENIED` (403), as an update. */
export const createDestination = defineQuestion(
  'router.destinations.create',
  Type.Object({ gatewayId: Type.String(), input: DestinationInput, ...keyGatewaysProperty }),
  Destination,
);
/** One destination of that gateway. */
export const getDestination = defineQuestion('router.destinations.get', Type.Object(one), Destination);
/** The destinations of a gateway. */
export const listDestinations = defineQuestion(
  'router.destinations.list',
  Type.Object({ gatewayId: Type.String(), ...pageRequestProperties }),
  pageOf(Destination),
);
/** Applies a merge patch. The front's host and port stay unless others are asked for by value. */
export const updateDestination = defineQuestion(
  'router.destinations.update',
  Type.Object({ ...one, patch: MergePatch, revision: expectedRevision, ...keyGatewaysProperty }),
  Destination,
);
/** Deletes a destination; its streams are reset, its port rests. */
export const deleteDestination = defineQuestion(
  'router.destinations.delete',
  Type.Object({ ...one, revision: expectedRevision }),
  Done,
);
