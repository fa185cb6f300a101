/**
 * Decides, without asking anybody, whether who says HELLO may have a tunnel: the ticket is acl's, for tunnels, alive;
 * the client holds the key that the ticket names and signed this node's nonce with it; gateway and token are still
 * valid. A reserve ticket counts only while acl is out of reach. Each reason to refuse has a code of its own, because
 * the client acts on it: some lead back to the first call, some to the operator.
 *
 * The one thing it may wait for is a policy or key that has not reached this node yet, within a bound.
 */
import { createPublicKey, verify } from 'node:crypto';
import { ClientHello, type Policy, TicketClaims, helloProofText } from '@postern/contracts';
import { type JWTHeaderParameters, errors, jwtVerify } from 'jose';
import { Compile } from 'typebox/compile';
import { EdgeError, type InvalidCode } from '../errors.ts';
import type { TicketKeys } from './ticket-keys.ts';

const clockToleranceSeconds = 5;

/** What the verifier asks of the rest of the node. */
export interface TicketVerifierParts {
  node: string;
  keys: Pick<TicketKeys, 'find'>;
  /** The policy of a gateway; may wait for one that is on its way. */
  policy(gatewayId: string): Promise<Policy | undefined>;
  /** The epoch of the policies that this node has. */
  epoch(): string;
  /** Whether acl answers at present; a reserve ticket counts only when it does not. */
  aclInReach(): boolean;
}

/** Who is at the other end, for sure. */
export interface VerifiedClient {
  gatewayId: string;
  clientId: string;
  tokenId: string | null;
  publicKey: TicketClaims['cnf']['jwk'];
  hello: ClientHello;
  policy: Policy;
  /** Of the policy. */
  epoch: string;
}

const helloCheck = Compile(ClientHello);
const claimsCheck = Compile(TicketClaims);

/** Checks a client's HELLO against the nonce of the node's own. Throws `EdgeError`. */
export class TicketVerifier {
  readonly #parts: TicketVerifierParts;

  constructor(parts: TicketVerifierParts) {
    this.#parts = parts;
  }

  async verify(body: unknown, nonce: string): Promise<VerifiedClient> {
    if (!helloCheck.Check(body)) {
      const fault = helloCheck.Errors(body)[0];
      throw new EdgeError(
        'EDGE_HELLO_INVALID',
        `HELLO: ${fault?.instancePath || '/'} ${fault?.message ?? 'is wrong'}`,
      );
    }
    const claims = await this.#claims(body.ticket);
    this.#checkProof(body, claims, nonce);
    if (claims.use === 'reserve' && this.#parts.aclInReach()) {
      throw new EdgeError(
        'EDGE_TICKET_RESERVE_REFUSED',
        'a reserve ticket counts only while acl is out of reach',
      );
    }
    const policy = await this.#parts.policy(claims.gw);
    const fault = whyInvalid(policy, claims.tok);
    if (fault !== null || policy === undefined) throw fault ?? gatewayUnknown();
    const epoch = this.#parts.epoch();
    const { gw: gatewayId, sub: clientId, tok: tokenId } = claims;
    return { gatewayId, clientId, tokenId, publicKey: claims.cnf.jwk, hello: body, policy, epoch };
  }

  async #claims(ticket: string): Promise<TicketClaims> {
    const now = Date.now() / 1000;
    try {
      const { payload } = await jwtVerify(ticket, (header) => this.#key(header), {
        issuer: 'postern-acl',
        audience: 'postern-tunnel',
        algorithms: ['EdDSA', 'Ed25519'],
        requiredClaims: ['exp', 'iat', 'sub'],
        clockTolerance: clockToleranceSeconds,
        currentDate: new Date(now * 1000),
      });
      if (!claimsCheck.Check(payload))
        throw new EdgeError('EDGE_TICKET_INVALID', 'the ticket lacks what a ticket says');
      assertBegun(payload, now);
      return payload;
    } catch (error) {
      if (error instanceof EdgeError) throw error;
      if (error instanceof errors.JWTExpired) throw expired(error, now);
      throw new EdgeError('EDGE_TICKET_INVALID', 'the ticket is none, or was not signed by this platform', {
        cause: error,
      });
    }
  }

  async #key(header: JWTHeaderParameters) {
    const key = header.kid === undefined ? undefined : await this.#parts.keys.find(header.kid);
    if (key !== undefined) return key;
    throw new EdgeError('EDGE_TICKET_KEY_UNKNOWN', 'the ticket was signed with a key that is unknown here');
  }

  #checkProof(hello: ClientHello, claims: TicketClaims, nonce: string): void {
    const text = helloProofText(this.#parts.node, nonce, hello.ticket);
    if (!signatureFits(claims.cnf.jwk, text, hello.proof)) {
      throw new EdgeError(
        'EDGE_PROOF_WRONG',
        'the proof was not made with the key in the ticket, for this node and nonce',
      );
    }
  }
}

/** Why a tunnel with this token may not be up under this policy; null when it may. Also asked at each change. */
export function whyInvalid(
  policy: Policy | undefined,
  tokenId: string | null,
): EdgeError<InvalidCode> | null {
  if (policy === undefined) return gatewayUnknown();
  if (!policy.enabled) return new EdgeError('EDGE_GATEWAY_DISABLED', 'the gateway is disabled');
  if (tokenId === null) {
    return policy.requireToken
      ? new EdgeError('EDGE_TOKEN_REQUIRED', 'the gateway asks for a security token')
      : null;
  }
  return policy.revokedTokens.some((revoked) => revoked.tokenId === tokenId)
    ? new EdgeError('EDGE_TOKEN_REVOKED', 'the security token was revoked')
    : null;
}

/** A node whose clock is behind would take tickets for longer than the revoked tokens are listed. */
function assertBegun({ iat }: TicketClaims, nowSeconds: number): void {
  if (iat <= nowSeconds + clockToleranceSeconds) return;
  const seconds = Math.ceil(iat - nowSeconds);
  const text = `the ticket is given only ${seconds} s from now, by this node’s clock: the clock of this node or of acl is wrong`;
  throw new EdgeError('EDGE_TICKET_TOO_EARLY', text);
}

function expired(cause: errors.JWTExpired, nowSeconds: number): EdgeError {
  const seconds = Math.floor(nowSeconds - Number(cause.payload.exp));
  const text = `the ticket expired ${seconds} s ago by this node’s clock; where the client has just got it, the clock of this node or of acl is wrong`;
  return new EdgeError('EDGE_TICKET_EXPIRED', text, { cause });
}

function gatewayUnknown(): EdgeError<InvalidCode> {
  return new EdgeError('EDGE_GATEWAY_UNKNOWN', 'no gateway has this ID');
}

/** False also where the key is no point on the curve, or the signature of another length. */
function signatureFits(jwk: TicketClaims['cnf']['jwk'], text: string, proof: string): boolean {
  const key = createPublicKey({ key: jwk, format: 'jwk' });
  return verify(null, Buffer.from(text), key, Buffer.from(proof, 'base64url'));
}
