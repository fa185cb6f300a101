/**
 * The client's side of a tunnel's handshake: reads the node's HELLO, proves with its key that the ticket is its own, and
 * reads WELCOME. Also what a refusal means for the next try. Everything that a node says is checked against its schema.
 */
import {
  type AccessRule,
  type ClientHello,
  NodeHello,
  Welcome,
  helloProofText,
  knownFeatures,
} from '@postern/contracts';
import { type ConnectHandshake, TunnelError } from '@postern/tunnel';
import { Compile } from 'typebox/compile';
import { ClientError } from '../errors.ts';
import type { Identity } from './identity.ts';
import type { DialFailure } from '../keeper/keeper-event.ts';

/** The versions of the tunnel protocol that this client speaks. */
export const protocolVersions = [1];

const nodeHelloCheck = Compile(NodeHello);
const welcomeCheck = Compile(Welcome);

/** What one handshake is made with. */
export interface HandshakeOptions {
  readonly identity: Identity;
  readonly gatewayId: string;
  readonly ticket: string;
  readonly facts: ClientHello['facts'];
  readonly ownRules: readonly AccessRule[] | null;
  /** Names of nodes that this tunnel must not end at. */
  readonly avoid: readonly string[];
  /** Called before the first stream can come. */
  readonly onWelcome: (node: string, welcome: Welcome) => void;
}

/** The two callbacks that `Endpoint.connect` wants. */
export function clientHandshake(options: HandshakeOptions): ConnectHandshake {
  let node: NodeHello | null = null;
  return {
    answer: async (hello) => {
      node = readNodeHello(hello);
      if (options.avoid.includes(node.node)) {
        throw new ClientError('CLIENT_SAME_NODE', `the way led to ${node.node}, where a tunnel is already`);
      }
      return makeHello(options, node);
    },
    welcome: (body) => {
      if (node === null || !welcomeCheck.Check(body))
        throw malformed('WELCOME', welcomeCheck.Errors(body)[0]);
      if (body.gateway.id !== options.gatewayId)
        throw malformed('WELCOME', { instancePath: '/gateway/id', message: 'is another gateway' });
      options.onWelcome(node.node, body);
      // A node of the platform speaks for the others too: it may bring streams that began at another.
      const features = new Set(node.features);
      return { scope: options.gatewayId, id: node.node, bootId: node.bootId, trusted: true, features };
    },
  };
}

/** What failed when a tunnel did not come up, for the keeper. */
export function dialFailure(error: unknown): { cause: DialFailure; retryAfterMs: number } {
  if (error instanceof ClientError) {
    return {
      cause: error.code === 'CLIENT_SAME_NODE' ? 'sameNode' : 'path',
      retryAfterMs: error.retryAfterMs,
    };
  }
  return { cause: causeOf(error), retryAfterMs: 0 };
}

/** A node that has no time resets the connection before TLS, and one that has no place says so. */
function causeOf(error: unknown): DialFailure {
  if (!(error instanceof TunnelError)) return wasReset(error) ? 'busy' : 'path';
  if (error.code !== 'TUNNEL_REFUSED') return 'path';
  const code = /^[A-Z][A-Z0-9_]+/.exec(error.message)?.[0] ?? '';
  return passingRefusals.get(code) ?? 'ticketRefused';
}

function wasReset(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ECONNRESET';
}

/** Refusals that say nothing against the ticket: another node, or this one later, will take it. */
const passingRefusals: ReadonlyMap<string, DialFailure> = new Map([
  ['EDGE_TUNNELS_FULL', 'busy'],
  ['EDGE_DRAINING', 'busy'],
  ['EDGE_TICKET_KEY_UNKNOWN', 'unfit'],
  ['EDGE_CLIENT_RESTARTED', 'unfit'],
  ['INTERNAL', 'unfit'],
]);

function readNodeHello(hello: unknown): NodeHello {
  if (!nodeHelloCheck.Check(hello)) throw malformed('HELLO', nodeHelloCheck.Errors(hello)[0]);
  if (!hello.protocol.some((version) => protocolVersions.includes(version))) {
    throw malformed('HELLO', {
      instancePath: '/protocol',
      message: `names no version that this client speaks (${protocolVersions.join(', ')})`,
    });
  }
  return hello;
}

function makeHello(options: HandshakeOptions, node: NodeHello): ClientHello {
  const { identity, ticket, facts, ownRules } = options;
  return {
    protocol: protocolVersions,
    ticket,
    proof: identity.sign(helloProofText(node.node, node.nonce, ticket)),
    bootId: identity.bootId,
    facts,
    ownRules: ownRules === null ? null : [...ownRules],
    features: [...knownFeatures],
  };
}

function malformed(
  frame: string,
  fault: { instancePath?: string; message?: string } | undefined,
): ClientError {
  return new ClientError(
    'CLIENT_ANSWER_MALFORMED',
    `the node's ${frame} cannot be read: ${fault?.instancePath || '/'} ${fault?.message ?? 'is wrong'}`,
  );
}
