/**
 * A client made by hand, that says and does what the real one never would: first calls with any token, HELLO with any
 * ticket and any proof, connections that stop in the middle, streams that nobody wanted.
 */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { TLSSocket } from 'node:tls';
import { type ClientHello, type ConnectAnswer, type NodeHello, helloProofText } from '@postern/contracts';
import { type Cluster, type JsonAnswer, JsonHttp } from '@postern/test-cluster';
import { connectTls } from '@postern/tls/connect';
import { type Carrier, Endpoint, type EndpointOptions, type Session, tlsCarrier } from '@postern/tunnel';

const PATIENCE_MS = 60_000;

/** A client's key. */
export interface Identity {
  readonly publicKey: ConnectPublicKey;
  readonly bootId: string;
  sign(text: string): string;
}

interface ConnectPublicKey {
  readonly kty: 'OKP';
  readonly crv: 'Ed25519';
  readonly x: string;
}

/** A new key. */
export function makeIdentity(): Identity {
  const { privateKey } = generateKeyPairSync('ed25519');
  const { x = '' } = privateKey.export({ format: 'jwk' });
  return {
    publicKey: { kty: 'OKP', crv: 'Ed25519', x },
    bootId: randomBytes(16).toString('base64url'),
    sign: (text) => sign(null, Buffer.from(text), privateKey).toString('base64url'),
  };
}

/** What every hand-made client says of itself. */
const facts = { name: 'hand-made', version: '0.0.0', platform: 'test' };

/** A first call, with whatever answer. */
export async function firstCall(
  cluster: Cluster,
  call: { readonly gatewayId: string; readonly token: string | null; readonly identity: Identity },
): Promise<JsonAnswer> {
  const { gatewayId, token, identity } = call;
  const http = new JsonHttp({ base: cluster.connectUrl, caPem: readFileSync(cluster.caFile, 'utf8') });
  try {
    const { bootId, publicKey } = identity;
    const headers = token === null ? undefined : { authorization: `Bearer ${token}` };
    return await http.send('POST', '/v1/connect', { gatewayId, bootId, publicKey, facts }, headers);
  } finally {
    http.close();
  }
}

/** A first call that must be answered with tickets. */
export async function callForTickets(
  cluster: Cluster,
  call: Parameters<typeof firstCall>[1],
): Promise<ConnectAnswer> {
  const { status, body } = await firstCall(cluster, call);
  if (status !== 200) throw new Error(`the first call: ${status} ${JSON.stringify(body)}`);
  return body as ConnectAnswer;
}

/** TLS to the tunnel port, as a client makes it, and nothing behind that. */
export function openTunnelTls(cluster: Cluster): Promise<TLSSocket> {
  return connectTls({
    host: cluster.nodeHosts[0] ?? '',
    port: cluster.layout.tunnelPort,
    caPem: readFileSync(cluster.caFile, 'utf8'),
    tunnel: true,
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
}

/** How a hand-made client shows itself. */
export interface Admission {
  readonly ticket: string;
  readonly identity: Identity;
  readonly clientId: string;
  readonly gatewayId: string;
}

/** An endpoint with one tunnel. */
export interface HandMadeTunnel {
  readonly endpoint: Endpoint;
  readonly session: Session;
  readonly socket: TLSSocket;
}

/** Says HELLO with this ticket and a proof of this key; rejects with the node's refusal. */
export async function openTunnel(
  cluster: Cluster,
  admission: Admission,
  events: Partial<EndpointOptions> = {},
): Promise<HandMadeTunnel> {
  const socket = await openTunnelTls(cluster);
  const { identity, clientId } = admission;
  const endpoint = new Endpoint({ self: { id: clientId, bootId: identity.bootId }, ...events });
  try {
    return { endpoint, session: await shakeHands(endpoint, tlsCarrier(socket), admission), socket };
  } catch (error) {
    endpoint.close();
    throw error;
  }
}

function shakeHands(endpoint: Endpoint, carrier: Carrier, admission: Admission): Promise<Session> {
  const { identity, ticket, gatewayId } = admission;
  let node: NodeHello | undefined;
  return endpoint.connect(carrier, {
    answer: async (hello): Promise<ClientHello> => {
      node = hello as NodeHello;
      const proof = identity.sign(helloProofText(node.node, node.nonce, ticket));
      return { protocol: [1], ticket, proof, bootId: identity.bootId, facts, ownRules: null };
    },
    welcome: () => ({ scope: gatewayId, id: node?.node ?? '', bootId: node?.bootId ?? '', trusted: true }),
  });
}
