/**
 * What a client and the platform say to each other: the first call (HTTPS on 443) and the JSON bodies of the
 * tunnel's HELLO, WELCOME and CONTROL frames (docs/PROTOCOL.md).
 *
 *   client ── POST /v1/connect (token) ──► edge ── acl.session.open ──► acl
 *   client ◄── ticket, reserve ticket, nodes ──┘
 *   client ── TLS to a node's tunnel port, or WebSocket /v1/tunnel on 443 ──► node
 *          ◄── HELLO {node, bootId, nonce}      (the node speaks first)
 *          ──► HELLO {ticket, proof, bootId}    proof = Ed25519 over helloProofText()
 *          ◄── WELCOME {gateway, accessList}
 */
import { Type, type Static } from 'typebox';
import { AccessRule } from './access.ts';
import { ClientPublicKey, SealingKey, keySignature } from './client-key.ts';
import { cloudDestinationsMax } from './destination.ts';
import {
  CertificateReference,
  MaterialRefusal,
  SealedMaterial,
  certificateReferencesMax,
  materialsPerQuestionMax,
} from './material.ts';
import { HealthCheck, HealthFinding, HttpAsk, TestStep, healthFindingsMax } from './diagnosis.ts';
import { DialTarget } from './dial-target.ts';
import { FeatureNames } from './feature.ts';

const name = (description: string) => Type.String({ minLength: 1, maxLength: 255, description });

/** What a client says of itself; shown to operators, never trusted. */
export const ClientFacts = Type.Object({
  name: name('what the operator calls this client; the host name unless given'),
  version: name('version of the client program'),
  platform: name('operating system, processor and runtime'),
});
export type ClientFacts = Static<typeof ClientFacts>;

/** The longest security token that is taken. */
export const tokenCharactersMax = 1024;

/** `POST /v1/connect`; the token is in `Authorization: Bearer`, and missing where the gateway asks for none. */
export const ConnectRequest = Type.Object({
  gatewayId: Type.String({ minLength: 1, maxLength: 64, pattern: '^[A-Za-z0-9]+$' }),
  bootId: Type.String({ minLength: 8, maxLength: 64 }),
  publicKey: ClientPublicKey,
  facts: ClientFacts,
});
export type ConnectRequest = Static<typeof ConnectRequest>;

/** Where a node can be reached for the second call. */
export const NodeAddress = Type.Object({
  node: name('the name of the node'),
  zone: Type.String({ maxLength: 255, description: 'its failure domain; empty when it has none' }),
  host: name('host or address to dial'),
  port: Type.Integer({ minimum: 1, maximum: 65535 }),
  serverName: name('the name to ask for by SNI and to verify'),
});
export type NodeAddress = Static<typeof NodeAddress>;

/** The most nodes that a client is told of, and keeps. */
export const nodesNamedMax = 64;

/** The answer to the first call. The tickets are JWTs (EdDSA) with the claims of `TicketClaims`. */
export const ConnectAnswer = Type.Object({
  clientId: Type.String({ minLength: 1, maxLength: 64 }),
  ticket: Type.String({ maxLength: 4096 }),
  ticketExpiresAt: Type.String(),
  reserveTicket: Type.String({ maxLength: 4096 }),
  reserveTicketExpiresAt: Type.String(),
  gateway: Type.Object({ id: Type.String(), name: Type.String() }),
  nodes: Type.Array(NodeAddress, { maxItems: nodesNamedMax }),
});
export type ConnectAnswer = Static<typeof ConnectAnswer>;

/** Claims of a ticket. `cnf.jwk` is the client's key (RFC 7800); `tok` the ID of the token, null where none is required. */
export const TicketClaims = Type.Object({
  iss: Type.Literal('postern-acl'),
  aud: Type.Literal('postern-tunnel'),
  sub: Type.String({ description: 'the client ID' }),
  gw: Type.String({ description: 'the gateway ID' }),
  tok: Type.Union([Type.String(), Type.Null()]),
  use: Type.Union([Type.Literal('session'), Type.Literal('reserve')]),
  iat: Type.Integer(),
  exp: Type.Integer(),
  cnf: Type.Object({ jwk: ClientPublicKey }),
});
export type TicketClaims = Static<typeof TicketClaims>;

/** Longest life of a session ticket and of a reserve ticket, in seconds. */
export const ticketLifeSeconds = { session: 300, reserve: 3600 } as const;

/** The node's HELLO, its first frame. */
export const NodeHello = Type.Object({
  protocol: Type.Array(Type.Integer({ minimum: 1, maximum: 255 }), { minItems: 1, maxItems: 16 }),
  node: name('the name of the node'),
  bootId: Type.String({ minLength: 8, maxLength: 64 }),
  nonce: Type.String({ minLength: 22, maxLength: 64, description: '16 random bytes or more, base64url' }),
  features: Type.Optional(FeatureNames),
});
export type NodeHello = Static<typeof NodeHello>;

/** The client's HELLO, the answer to the node's. */
export const ClientHello = Type.Object({
  protocol: Type.Array(Type.Integer({ minimum: 1, maximum: 255 }), { minItems: 1, maxItems: 16 }),
  ticket: Type.String({ maxLength: 4096 }),
  proof: Type.String({ maxLength: 128, description: 'Ed25519 signature over helloProofText(), base64url' }),
  bootId: Type.String({ minLength: 8, maxLength: 64 }),
  facts: ClientFacts,
  ownRules: Type.Union([Type.Array(AccessRule, { maxItems: 1000 }), Type.Null()], {
    description: "the client's own access list, so that the platform can explain it; null when it has none",
  }),
  features: Type.Optional(FeatureNames),
});
export type ClientHello = Static<typeof ClientHello>;

/** The bytes that a client signs: a stolen ticket, or a proof made for another node, is worth nothing. */
export function helloProofText(node: string, nonce: string, ticket: string): string {
  return `postern hello\n${node}\n${nonce}\n${ticket}`;
}

/** Of the owner's documents: a later one is that of a restored platform, whose revisions may be lower. Former nodes do not say it. */
const listEpoch = Type.Optional(Type.String({ maxLength: 64 }));

/** The node's WELCOME: the tunnel is up. */
export const Welcome = Type.Object({
  protocol: Type.Integer({ minimum: 1, maximum: 255 }),
  tunnelId: Type.String(),
  clientId: Type.String(),
  gateway: Type.Object({ id: Type.String(), name: Type.String() }),
  accessList: Type.Object({
    epoch: listEpoch,
    revision: Type.Integer(),
    rules: Type.Array(AccessRule, { maxItems: 1000 }),
  }),
});
export type Welcome = Static<typeof Welcome>;

const requestId = Type.String({ minLength: 1, maxLength: 64 });

/** What a stream of this protocol version carries: bytes, or datagrams. */
const transport = Type.Union([Type.Literal('tcp'), Type.Literal('udp')]);

/** What the callers of a cloud destination speak. */
const cloudProtocol = Type.Union([...transport.anyOf, Type.Literal('http')]);

/** How a stream's data is compressed in the tunnel, both ways; plain where it is missing. */
const compress = Type.Optional(Type.Literal('zstd'));

/** How a client is to speak TLS with the callers of a cloud destination. */
export const CloudListenerTls = Type.Object({
  certificateId: Type.String({ minLength: 1, maxLength: 64 }),
  clientCaIds: Type.Array(Type.String({ minLength: 1, maxLength: 64 }), {
    maxItems: 4,
    description: 'callers must show a certificate of one of these, where there are any',
  }),
});
export type CloudListenerTls = Static<typeof CloudListenerTls>;

/**
 * A cloud destination as the clients of its gateway are told it: where to listen, and what is judged. The list names those
 * that are enabled, all of them, and fits one frame of 64 KiB: so the name is cut.
 */
export const CloudDestination = Type.Object({
  id: Type.String({ minLength: 1, maxLength: 64 }),
  name: Type.String({ maxLength: 64 }),
  protocol: cloudProtocol,
  http: Type.Optional(
    Type.Object(
      { host: Type.String({ minLength: 1, maxLength: 255 }), secure: Type.Boolean() },
      { description: 'of protocol http: what the resource is called in Host, and whether TLS leads to it' },
    ),
  ),
  clientPort: Type.Integer({ minimum: 1, maximum: 65535 }),
  host: Type.String({ minLength: 1, maxLength: 255 }),
  port: Type.Integer({ minimum: 1, maximum: 65535 }),
  idleTimeoutSeconds: Type.Integer({ minimum: 0, maximum: 604800 }),
  compress: Type.Optional(
    Type.Boolean({ description: 'whether streams are to be compressed where the node knows how' }),
  ),
  tls: Type.Optional(CloudListenerTls),
});
export type CloudDestination = Static<typeof CloudDestination>;

/**
 * How much is told of why a caller was refused, and of why a client does not listen: sixty-four destinations' fit one frame.
 * Whoever tells or shows it cuts it; who takes it does not refuse more, which a newer version may say.
 */
export const toldTextMax = { refusal: 400, listener: 200 } as const;

/** A caller that was turned away or cut, and why. */
export const LastRefusal = Type.Object(
  {
    at: Type.String({ maxLength: 32 }),
    caller: Type.String({ maxLength: 64, description: 'address and port' }),
    code: Type.String({ maxLength: 64, description: 'a code of docs/ERRORS.md' }),
    text: Type.String(),
  },
  { description: 'the last caller that was turned away or cut, and why; missing while there was none' },
);

/** Whether a client listens for a cloud destination, and if not why. */
export const CloudListenerState = Type.Object({
  destinationId: Type.String({ minLength: 1, maxLength: 64 }),
  listening: Type.Boolean(),
  error: Type.Union([Type.String(), Type.Null()]),
  lastRefusal: Type.Optional(LastRefusal),
});
export type CloudListenerState = Static<typeof CloudListenerState>;

/** Bodies of CONTROL frames. A receiver passes over a kind that it does not know. */
export const Control = Type.Union([
  Type.Object({
    kind: Type.Literal('accessList'),
    epoch: listEpoch,
    revision: Type.Integer(),
    rules: Type.Array(AccessRule, { maxItems: 1000 }),
  }),
  Type.Object({
    kind: Type.Literal('ownRules'),
    rules: Type.Union([Type.Array(AccessRule, { maxItems: 1000 }), Type.Null()]),
  }),
  Type.Object({
    kind: Type.Literal('cloudDestinations'),
    epoch: listEpoch,
    revision: Type.Integer(),
    destinations: Type.Array(CloudDestination, { maxItems: cloudDestinationsMax }),
  }),
  Type.Object({
    kind: Type.Literal('cloudListeners'),
    revision: Type.Optional(
      Type.Integer({ description: 'of the list that the client goes by; former clients do not say it' }),
    ),
    listeners: Type.Array(CloudListenerState, { maxItems: cloudDestinationsMax }),
  }),
  Type.Object({ kind: Type.Literal('end'), reason: Type.String({ maxLength: 1024 }) }),
  Type.Object({ kind: Type.Literal('fleet'), nodes: Type.Array(NodeAddress, { maxItems: nodesNamedMax }) }),
  Type.Object({
    kind: Type.Literal('move'),
    nodes: Type.Array(NodeAddress, { minItems: 1, maxItems: nodesNamedMax }),
    withinMs: Type.Integer({ minimum: 0, maximum: 60_000 }),
    reason: Type.String({ maxLength: 1024 }),
  }),
  // Node to client: much of its streams is relayed for the callers of this other node, which wants a tunnel of its own.
  Type.Object({ kind: Type.Literal('tunnelWanted'), node: NodeAddress }),
  // Node to client: which certificates the gateway's destinations need at the client now; others are to be dropped.
  Type.Object({
    kind: Type.Literal('certificates'),
    items: Type.Array(CertificateReference, { maxItems: certificateReferencesMax }),
    whole: Type.Boolean({
      description: 'false where there are more than fit; nothing is to be dropped then',
    }),
  }),
  // Client to node: send these.
  Type.Object({
    kind: Type.Literal('materialWanted'),
    ids: Type.Array(Type.String({ minLength: 1, maxLength: 64 }), {
      minItems: 1,
      maxItems: materialsPerQuestionMax,
      uniqueItems: true,
    }),
    sealingKey: SealingKey,
    signature: keySignature,
  }),
  // Node to client: one certificate a frame, as certstore sealed it, or why not.
  Type.Object({ kind: Type.Literal('material'), ...SealedMaterial.properties }),
  Type.Object({ kind: Type.Literal('materialRefused'), ...MaterialRefusal.properties }),
  // Node to client: dial this now, and tell each step.
  Type.Object({
    kind: Type.Literal('test'),
    id: requestId,
    target: DialTarget,
    http: Type.Union([HttpAsk, Type.Null()]),
  }),
  // Client to node: what it met.
  Type.Object({
    kind: Type.Literal('tested'),
    id: requestId,
    steps: Type.Array(TestStep, { maxItems: 16 }),
  }),
  // Node to client, and its answer: how long the way is.
  Type.Object({ kind: Type.Literal('ping'), id: requestId }),
  Type.Object({ kind: Type.Literal('pong'), id: requestId }),
  // Node to client: from now on check this destination so; null for no longer.
  Type.Object({
    kind: Type.Literal('check'),
    destinationId: Type.String({ minLength: 1, maxLength: 64 }),
    check: Type.Union([HealthCheck, Type.Null()]),
  }),
  // Client to node: what its checks found.
  Type.Object({
    kind: Type.Literal('health'),
    items: Type.Array(HealthFinding, { maxItems: healthFindingsMax }),
  }),
]);
export type Control = Static<typeof Control>;

const caller = Type.Object({
  address: Type.String({ maxLength: 64 }),
  port: Type.Integer({ minimum: 0, maximum: 65535 }),
});

/**
 * The trace that a stream is a part of, as W3C Trace Context writes it; only of streams that are traced. Read by
 * `traceparentOf`: no stream is refused for what somebody's tracer made of it.
 */
const traceparent = Type.Optional(Type.Unknown());

const traceparentForm = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The trace in the metadata of OPEN; null where there is none, or none in its form, which counts as none. */
export function traceparentOf(metadata: unknown): string | null {
  if (typeof metadata !== 'object' || metadata === null || !('traceparent' in metadata)) return null;
  const { traceparent: said } = metadata;
  return typeof said === 'string' && traceparentForm.test(said) ? said : null;
}

/** Metadata of OPEN for an on-premises destination: what the client is to dial, and for whom. */
export const OpenMetadata = Type.Object({
  destinationId: Type.String({ maxLength: 64 }),
  compress,
  ...DialTarget.properties,
  trackingId: Type.String({ maxLength: 64 }),
  traceparent,
  caller,
});
export type OpenMetadata = Static<typeof OpenMetadata>;

/** Metadata of OPEN for a cloud destination, from the client: whose resource the node is to dial, and for whom. */
export const CloudOpenMetadata = Type.Object({
  destinationId: Type.String({ maxLength: 64 }),
  protocol: Type.Optional(cloudProtocol),
  resource: Type.Optional(
    Type.Object(
      {
        host: Type.String({ minLength: 1, maxLength: 255 }),
        port: Type.Integer({ minimum: 1, maximum: 65535 }),
      },
      {
        description: 'of protocol http: whose paths the client asks the lists about; the node dials no other',
      },
    ),
  ),
  compress,
  trackingId: Type.String({ maxLength: 64 }),
  traceparent,
  caller,
});
export type CloudOpenMetadata = Static<typeof CloudOpenMetadata>;
