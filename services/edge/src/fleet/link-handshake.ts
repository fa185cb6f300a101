/**
 * The handshake of a link between two nodes, both sides (docs/PROTOCOL.md, "Links between nodes"). Who is at the other
 * end, its certificate has proved before: only the cluster's CA signs such a name, and HELLO must say the same. The node
 * whose name is lower dials, so there is one link for each pair.
 */
import type { TLSSocket } from 'node:tls';
import { randomBytes } from 'node:crypto';
import { LinkHello, LinkWelcome, knownFeatures, nodeIdentityName } from '@postern/contracts';
import { type AcceptHandshake, type ConnectHandshake, type Peer, linkScope } from '@postern/tunnel';
import { Compile } from 'typebox/compile';
import { EdgeError } from '../errors.ts';
import { agreedVersion, protocolVersions } from '../client/protocol-version.ts';

/** This end: the node, and its boot. */
export interface LinkSelf {
  node: string;
  bootId: string;
}

const nonceBytes = 24;
const helloCheck = Compile(LinkHello);
const welcomeCheck = Compile(LinkWelcome);

/** Whether the first node is the one that dials. */
export function dialsLink(node: string, other: string): boolean {
  return node < other;
}

/** The name in a node's certificate. */
export function identityOf(node: string): string {
  return nodeIdentityName({ kind: 'node', name: node });
}

/** What the dialled node brings; `onPeer` hears who it is before the link is up, and may throw. */
export function acceptingLink(
  self: LinkSelf,
  socket: TLSSocket,
  onPeer: (peer: Peer) => void,
): AcceptHandshake {
  return {
    hello: helloOf(self),
    authenticate: async (body) => {
      const hello = readHello(body);
      if (socket.getPeerX509Certificate()?.subjectAltName !== `DNS:${identityOf(hello.node)}`)
        throw new EdgeError('EDGE_LINK_IDENTITY', `the certificate is not that of the node ${hello.node}`);
      if (!dialsLink(hello.node, self.node))
        throw new EdgeError('EDGE_LINK_REFUSED', `${self.node} does not wait for a link from ${hello.node}`);
      const peer = peerOf(hello);
      onPeer(peer);
      return { peer, welcome: { protocol: agreedVersion(hello.protocol) } };
    },
  };
}

/** What the dialling node brings; TLS has verified that the other end is `node`. */
export function diallingLink(self: LinkSelf, node: string): ConnectHandshake {
  let peer: Peer | null = null;
  return {
    answer: async (body) => {
      const hello = readHello(body);
      if (hello.node !== node)
        throw new EdgeError('EDGE_LINK_IDENTITY', `${node} was dialled, and calls itself ${hello.node}`);
      agreedVersion(hello.protocol);
      peer = peerOf(hello);
      return helloOf(self);
    },
    welcome: (body) => {
      if (peer === null || !welcomeCheck.Check(body))
        throw new EdgeError('EDGE_HELLO_INVALID', 'the WELCOME of a link cannot be read');
      return peer;
    },
  };
}

function helloOf({ node, bootId }: LinkSelf): LinkHello {
  const nonce = randomBytes(nonceBytes).toString('base64url');
  return { protocol: [...protocolVersions], node, bootId, nonce, features: [...knownFeatures] };
}

function readHello(body: unknown): LinkHello {
  if (helloCheck.Check(body)) return body;
  const fault = helloCheck.Errors(body)[0];
  const what = `${fault?.instancePath || '/'} ${fault?.message ?? 'is wrong'}`;
  throw new EdgeError('EDGE_HELLO_INVALID', `the HELLO of a link: ${what}`);
}

function peerOf({ node, bootId, features }: LinkHello): Peer {
  return { scope: linkScope, id: node, bootId, trusted: true, features: new Set(features) };
}
